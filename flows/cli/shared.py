"""Shared parts of verbs: parameters with a few values replaced, and results as JSON."""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

import typer
from pydantic import ValidationError

from flows.cli.path_options import input_option
from iterpref_core.config import BackendName, Settings
from iterpref_core.errors import ConfigError
from iterpref_core.report.number_formats import p_value, points, readable
from iterpref_core.storage.jsonl import describe_validation_error

if TYPE_CHECKING:
    from tasks.grids.comparison import ComparisonRow

S = TypeVar("S", bound=Settings)

ParamsOption = Annotated[Path, input_option("The file with all parameters.", "--params")]
ProblemsOption = Annotated[Path, input_option("JSONL of problems.", "--problems")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DEFAULT_PARAMS = Path("params.yaml")
BACKENDS: tuple[str, ...] = get_args(BackendName)


def override(settings: S, values: Mapping[str, object]) -> S:
    """The settings with the given options in their place; options that are None leave the file's value.

    Raises:
        ConfigError: an option is out of range.
    """
    given = {key: value for key, value in values.items() if value is not None}
    try:
        return type(settings).model_validate({**settings.model_dump(), **given})
    except ValidationError as error:
        raise ConfigError(f"{describe_validation_error(error)}; see --help") from None


def choose(option: str, value: str, available: tuple[str, ...]) -> str:
    """Accept a value that exists.

    Raises:
        ConfigError: it does not; the message names those that do, the nearest first.
    """
    if value not in available:
        near = get_close_matches(value, available, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"{option} {value!r}: there is no such choice; {meant}available: {', '.join(available) or 'none'}"
        )
    return value


def show_rows(
    title: str,
    rows: Sequence["ComparisonRow"],
    as_json: bool,
) -> None:
    """Print rows of scores over seeds, with their differences in points, intervals and p-values.

    Args:
        title: what is compared, and to what.
        rows: to print.
        as_json: print a JSON list, without the title.
    """
    from rich.console import Console
    from rich.table import Table

    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=2))
        return
    table = Table(title=title, title_justify="left")
    columns = ("", "pass@1", "seeds", "std", "points", "95% interval", "p", "p, Holm")
    for column in columns:
        table.add_column(column, justify="left" if not column else "right")
    for row in rows:
        spread = f"{100 * row.spread:.1f}" if row.spread is not None else ""
        difference = points(row.difference) if row.difference is not None else ""
        ends = f"[{points(row.ci95[0])}, {points(row.ci95[1])}]" if row.ci95 else ""
        tests = [p_value(p) if p is not None else "" for p in (row.p_value, row.p_holm)]
        table.add_row(row.label, f"{row.pass_at_1:.1%}", str(len(row.scores)), spread, difference, ends, *tests)
    Console().print(table)


def show_result(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result, one value a line without counts of nothing, or whole as one JSON object."""
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    flat: dict[str, Any] = {}
    for key, value in result.items():
        flat |= {f"{key} {part}": found for part, found in value.items()} if isinstance(value, dict) else {key: value}
    shown = {key: value for key, value in flat.items() if value != 0 or "/" not in key}
    width = max((len(key) for key in shown), default=0)
    for key, value in shown.items():
        typer.echo(f"{key:<{width}}  {readable(value)}")
