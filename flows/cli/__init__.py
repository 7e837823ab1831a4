"""Verbs of a checkout, which `iterpref` shows beside those of the library: the whole experiment."""

import typer

from flows.cli import machine_verbs, run_verbs


def register(app: typer.Typer) -> None:
    """Add them."""
    for verbs in (machine_verbs, run_verbs):
        verbs.register(app)
