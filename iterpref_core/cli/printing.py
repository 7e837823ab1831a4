"""A verb's result on the terminal."""

import json
import re
from collections.abc import Mapping
from typing import Any

import typer

from iterpref_core.report.number_formats import readable

_SCORE = re.compile(r"/(pass_at_|ci95_)|^pass_rate/")


def show_result(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result, one value a line without counts of nothing, or whole as one JSON object."""
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    flat: dict[str, Any] = {}
    for key, value in result.items():
        flat |= {f"{key} {part}": item for part, item in value.items()} if isinstance(value, dict) else {key: value}
    # Scores have a slash in their names as counts do, and a score of 0 is news.
    shown = {key: value for key, value in flat.items() if value != 0 or "/" not in key or _SCORE.search(key)}
    width = max((len(key) for key in shown), default=0)
    for key, value in shown.items():
        typer.echo(f"{key:<{width}}  {readable(value)}")
