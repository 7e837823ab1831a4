"""Define the options that several verbs share: paths, which Click checks before any work, and parameters."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from iterpref_core.records import (
    BACKENDS,
    BackendName,
    ConfigError,
    InputError,
    Params,
    load_params,
    parse_yaml,
    with_values,
)

input_file = partial(typer.Option, exists=True, dir_okay=False)
input_folder = partial(typer.Option, exists=True, file_okay=False)
input_path = partial(typer.Option, exists=True)
output_file = partial(typer.Option, dir_okay=False)
output_folder = partial(typer.Option, file_okay=False)

PairsOption = Annotated[Path, input_file(help="JSONL of pairs with at least prompt, chosen and rejected.")]
ProblemsOption = Annotated[Path, input_file(help="JSONL of problems.")]
BackendOption = Annotated[BackendName | None, typer.Option(help="How the model is called.")]
BaseUrlOption = Annotated[str | None, typer.Option(help="URL for backend openai; its key is OPENAI_API_KEY.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DroppedOption = Annotated[
    Path | None, output_file(help="JSONL of everything that is left out: row, reason, explanation, what it repeats.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Value of a parameter for this call; repeatable.")
]


def read_params(
    assignments: Sequence[str] | None,
    options: Mapping[str, object] | None = None,
) -> Params:
    """Return the parameters of params.yaml, with values of the command line instead of the file's.

    Args:
        assignments: texts given to `--set`.
        options: dotted key → value of the option for this parameter; None leaves the file's value.

    Raises:
        ConfigError: a text is not KEY=VALUE, names no parameter, or has a value out of range.
    """
    # `--max-iterations 3 --set codeflow.max_iterations=5`: an option of its own counts.
    overrides = {key: value for key, value in (options or {}).items() if value is not None}
    return with_values(load_params(), parse_assignments(assignments) | overrides)


def endpoint_values(backend: str | None, base_url: str | None) -> dict[str, object]:
    """Return the values of `--backend` and `--base-url`, the same for all verbs that ask a model."""
    return {"inference.backend": backend, "inference.base_url": base_url}


def names_endpoint(
    name: str,
    params: Params,
    backend: str | None,
    base_url: str | None,
) -> bool:
    """Return True if a model's name is one at the endpoint that the options of a verb name, and no folder here."""
    # `--backend openai --model coder` names a served model, unless a folder `coder` is here.
    given = backend is not None or base_url is not None
    return given and not BACKENDS[params.inference.backend].local and bool(name) and not Path(name).is_dir()


def parse_assignments(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Return dotted key → value from texts such as `training.beta=0.3`; values are YAML.

    Raises:
        ConfigError: a text is not KEY=VALUE, its value is not YAML, or it would rename the profile alone.

    >>> parse_assignments(["training.beta=0.3", "evaluation.benchmarks=[heldout, mbpp]"])
    {'training.beta': 0.3, 'evaluation.benchmarks': ['heldout', 'mbpp']}
    >>> parse_assignments(["evaluation.livecodebench.since=2024-08-01"])
    {'evaluation.livecodebench.since': '2024-08-01'}
    """
    values: dict[str, Any] = {}
    for text in assignments or ():
        # `training.beta=0.3`: only the first `=` divides, since a value may contain more.
        # `a.b=c=d` is the value `c=d` of `a.b`.
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise ConfigError(f"--set {text!r}: not KEY=VALUE, such as training.beta=0.3")
        if key == "profile":
            raise ConfigError("--set profile: names values, and sets none; use `iterpref init --profile NAME`")
        try:
            values[key] = parse_yaml(value)
        except InputError:
            raise ConfigError(f"--set {text!r}: the value is not valid YAML; quote it") from None
    return values
