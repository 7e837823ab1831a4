"""Shared parts of verbs: parameters with a few values replaced, and results as JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import yaml
from pydantic import ValidationError

from iterpref_core.cli.path_options import input_option
from iterpref_core.config import BackendName, Params, Settings, load_params, with_values
from iterpref_core.errors import ConfigError
from iterpref_core.report.number_formats import readable
from iterpref_core.storage.jsonl import describe_validation_error

S = TypeVar("S", bound=Settings)

ParamsOption = Annotated[Path, input_option("The file with all parameters.", "--params")]
ProblemsOption = Annotated[Path, input_option("JSONL of problems.", "--problems")]
BackendOption = Annotated[BackendName | None, typer.Option("--backend", help="How the model is run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter's value for this call; repeatable.")
]
DEFAULT_PARAMS = Path("params.yaml")


def read_params(path: Path, assignments: Sequence[str] | None) -> Params:
    """A parameters file, with what `--set` was given in place of its values.

    Raises:
        ConfigError: an assignment is none, or names no parameter, or a value is out of range.
    """
    return with_values(load_params(path), parse_assignments(assignments))


def parse_assignments(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Dotted key → value, of texts such as `training.beta=0.3`; values are YAML.

    Raises:
        ConfigError: one of them is no assignment.

    >>> parse_assignments(["training.beta=0.3", "evaluation.benchmarks=[heldout, mbpp]"])
    {'training.beta': 0.3, 'evaluation.benchmarks': ['heldout', 'mbpp']}
    """
    found = {}
    for text in assignments or ():
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise ConfigError(f"--set {text!r}: is no KEY=VALUE, such as training.beta=0.3")
        try:
            found[key] = float(value) if re.fullmatch(r"[-+]?[\d.]+[eE][-+]?\d+", value) else yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):
            raise ConfigError(f"--set {text!r}: the value is no YAML; quote it") from None
    return found


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


_SCORE = re.compile(r"/(pass_at_|ci95_)")


def show_result(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result, one value a line without counts of nothing, or whole as one JSON object."""
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    flat: dict[str, Any] = {}
    for key, value in result.items():
        flat |= {f"{key} {part}": found for part, found in value.items()} if isinstance(value, dict) else {key: value}
    # Scores have a slash in their names as counts do, and a score of 0 is news.
    shown = {key: value for key, value in flat.items() if value != 0 or "/" not in key or _SCORE.search(key)}
    width = max((len(key) for key in shown), default=0)
    for key, value in shown.items():
        typer.echo(f"{key:<{width}}  {readable(value)}")
