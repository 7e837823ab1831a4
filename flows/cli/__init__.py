"""Provide the command line of a checkout, which has the library's verbs and verbs for the whole experiment."""

from typing import Any

from iterpref_core.cli import run_verb


def main() -> None:
    """Run a verb, and end with its exit code."""
    run_verb(_load_app)


def _load_app() -> Any:
    from flows.cli.app import app

    return app
