"""The result of a verb on the terminal."""

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from iterpref_core.evaluation.report.number_formats import readable
from iterpref_core.records import printable_text

if TYPE_CHECKING:
    from rich.console import Console

    from iterpref_core.evaluation.report.standings import Standings
    from iterpref_core.evaluation.report.table_forms import Form

_SCORE = re.compile(r"/(pass_at_|ci95_)|^pass_rate/")


def print_text(text: str, *, err: bool = False) -> None:
    """Print a text that may contain control characters, from a model or a user."""
    typer.echo(printable_text(text), err=err)


def table_console() -> "Console":
    """Return where tables are printed: as wide as the terminal, and in a file or a pipe as wide as their rows."""
    from rich.console import Console

    from iterpref_core.evaluation.report.standings import wide_console

    return Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else wide_console()


def show_standings(standings: "Standings", form: "Form", as_json: bool, **more: Any) -> None:
    """Print a table of scores in a form; or as JSON, with more fields."""
    if as_json:
        print_text(json.dumps({**standings.to_json(), **more}, indent=2))
    elif form == "text":
        standings.print(table_console())
    else:
        typer.echo(standings.text(form), nl=False)


def show_result(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result: one value a line, without counts of 0; or whole, as one JSON object."""
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    # `{"cards": {"H100": 1}}` becomes `cards H100  1`.
    flat: dict[str, Any] = {}
    for key, value in result.items():
        if isinstance(value, dict):
            flat |= {f"{key} {part}": item for part, item in value.items()}
        else:
            flat[key] = value
    # `dropped/too_long 0` is left out; `heldout/pass_at_1 0` is a score, and shown.
    shown = {}
    for key, value in flat.items():
        is_count = "/" in key and not _SCORE.search(key)
        if value != 0 or not is_count:
            shown[key] = value
    width = max((len(key) for key in shown), default=0)
    for key, value in shown.items():
        print_text(f"{key:<{width}}  {readable(value)}")
