"""Define the options that several verbs share: paths, which Click checks before any work, and parameters."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from iterpref_core.evaluation.report.table_forms import Form
from iterpref_core.records import (
    BackendName,
    ConfigError,
    EnvironmentParams,
    InputError,
    Params,
    flat_values,
    flatten,
    load_params,
    parse_yaml,
    profile_values,
    with_values,
)

from .printing import print_text

input_file = partial(typer.Option, exists=True, dir_okay=False)
input_folder = partial(typer.Option, exists=True, file_okay=False)
input_path = partial(typer.Option, exists=True)
output_file = partial(typer.Option, dir_okay=False)
output_folder = partial(typer.Option, file_okay=False)

PairsOption = Annotated[Path, input_file(help="JSONL of pairs with at least prompt, chosen and rejected.")]
ProblemsOption = Annotated[Path, input_file(help="JSONL of problems.")]
BackendOption = Annotated[BackendName | None, typer.Option(help="How the model is called.")]
BaseUrlOption = Annotated[str | None, typer.Option(help="URL for backend openai; its key is OPENAI_API_KEY.")]
FormOption = Annotated[Form, typer.Option("--format", help="Form of the table.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DroppedOption = Annotated[
    Path | None, output_file(help="JSONL of everything that is left out: row, reason, explanation, what it repeats.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Value of a parameter for this call; repeatable.")
]
EnvironmentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--environment",
        metavar="NAME=PYTHON:FOLDER[:VARIABLE=VALUE]",
        help="The interpreter and the folder of a project whose tests run, as `ingest` printed them, and variables of "
        "the environment for its tests; repeatable. Default: environments.yaml beside the problems.",
    ),
]
ParamsOption = Annotated[
    Path | None, input_file("--params", help="YAML file with the parameters that differ; --set comes before it.")
]


def read_params(
    assignments: Sequence[str] | None,
    file: Path | None = None,
    options: Mapping[str, object] | None = None,
    environments: Sequence[str] | None = None,
    problems: Path | None = None,
) -> Params:
    """Return the parameters with values of the command line, and say on stderr where they come from.

    Args:
        assignments: texts given to `--set`.
        file: given to `--params`.
        options: dotted key → value of the option for this parameter; None leaves the file's value.
        environments: texts given to `--environment`.
        problems: JSONL of problems whose tests run; what its folder says of their environments counts last.

    Raises:
        ConfigError: a text is not KEY=VALUE, names no parameter, or has a value out of range; or an option has
            something else.
        InputError: the folder of an environment is absent, or the file of environments beside the problems is broken.
    """
    return params_with(read_values(assignments, file), assignments, file, options, environments, problems)


def params_with(
    values: Mapping[str, Any],
    assignments: Sequence[str] | None,
    file: Path | None,
    options: Mapping[str, object] | None = None,
    environments: Sequence[str] | None = None,
    problems: Path | None = None,
) -> Params:
    """Do the same for the values of `--set` and `--params` that `read_values` has read: a pipe is read once."""
    overrides = {key: value for key, value in (options or {}).items() if value is not None}
    # An option counts before a file, which serves several commands. `--seed 3 --set training.seed=4` is a mistake.
    for key, value in parse_assignments(assignments).items():
        if overrides.get(key, value) != value:
            raise ConfigError(f"--set {key}={value}: an option of this command has {overrides[key]}; leave one out")
    params = with_values(load_params(), {**values, **overrides})
    known = known_environments(params, environments, problems and problems.parent)
    execution = params.execution.model_copy(update={"environments": known})
    params = params.model_copy(update={"execution": execution})
    tell_settings(params, file)
    return params


def known_environments(
    params: Params, texts: Sequence[str] | None, folder: Path | None
) -> dict[str, EnvironmentParams]:
    """Return the environments of `--environment`, else of params.yaml, else of a folder of problems."""
    from iterpref_core.problems.own_code.environments import environments_in

    beside = environments_in(folder) if folder else {}
    return beside | params.execution.environments | read_environments(texts or ())


def tell_settings(params: Params, file: Path | None) -> None:
    """Say on stderr where parameters come from."""
    sources = ["params.yaml" if Path("params.yaml").exists() else "defaults", *([str(file)] if file else [])]
    print_text(f"settings: {', '.join(sources)}, profile {params.profile}", err=True)


def warn_of_demo_values(params: Params, model: str, *keys: str) -> None:
    """Warn if a model that is not embedded meets values of the profile nano, which are made for the embedded ones.

    Args:
        params: the parameters.
        model: folder, hub id, or name at an endpoint.
        keys: the parameters that the verb reads of the model.
    """
    from iterpref_core.models.pretrained.lineage import is_embedded

    demo, present = profile_values("nano"), dict(flatten(params.model_dump()))
    same = [key for key in keys if params.profile == "nano" and present[key] == demo[key]]
    if same and not is_embedded(model):
        print_text(
            f"{', '.join(same)}: these values (profile nano) are for the embedded models, not for {model}; "
            "`iterpref init --profile own` writes others",
            err=True,
        )


def read_values(assignments: Sequence[str] | None, file: Path | None) -> dict[str, Any]:
    """Return dotted key → value of `--params` and `--set`, which comes first.

    Raises:
        InputError: the file is not YAML.
        ConfigError: a text is not KEY=VALUE, or the file has two values for a key.
    """
    stated = flat_values(file, "give the parameters that differ") if file else {}
    given = parse_assignments(assignments)
    # After the file's, of two values for one line of an objective (`with_lines`).
    return {key: value for key, value in stated.items() if key not in given} | given


def read_environments(texts: Sequence[str]) -> dict[str, EnvironmentParams]:
    """Return the environments of texts such as `shop=/home/me/shop/.venv/bin/python:/home/me/shop:REGION=eu`.

    Without a folder it is the one with the environment's name that is here, or around the interpreter. Variables that
    tests see come last.

    Raises:
        ConfigError: a text is not NAME=PYTHON or NAME=PYTHON:FOLDER, or a variable has no value.
        InputError: the folder is absent.
    """
    from iterpref_core.problems.own_code.survey import open_project

    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        python, _, rest = value.partition(os.pathsep)
        folder, *settings = rest.split(os.pathsep)
        variables = dict(setting.partition("=")[::2] for setting in settings)
        if not all("=" in setting for setting in settings):
            raise ConfigError(f"--environment {text}: a variable has no value; give NAME=PYTHON:FOLDER:VARIABLE=VALUE")
        if not (name and python):
            raise ConfigError(f"--environment {text!r}: not NAME=PYTHON:FOLDER; give it as `iterpref ingest` prints it")
        if not folder:
            places = (Path.cwd(), *(Path.cwd() / python).parents)
            near = (path for place in places for path in (place, place / name) if path.name == name and path.is_dir())
            folder = str(next(near, ""))
        if not folder:
            raise ConfigError(f"--environment {text}: add the project's folder: {text}{os.pathsep}FOLDER")
        environment = open_project(Path(folder), python).environment
        found[name] = EnvironmentParams(python=environment.python, paths=environment.paths, variables=variables)
    return found


def endpoint_values(backend: str | None, base_url: str | None) -> dict[str, object]:
    """Return the values of `--backend` and `--base-url`, the same for all verbs that ask a model."""
    return {"inference.backend": backend, "inference.base_url": base_url}


def place_of(model: str, made: str) -> str:
    """Return where a model of params.yaml is: the folder that stage `nanolab` makes of it, or the name itself.

    Args:
        model: `model.student` or `model.debugger`.
        made: the stage's folder for this model.
    """
    from iterpref_core.models.pretrained.checkpoints import EMBEDDED, is_gguf

    return made if model == EMBEDDED or is_gguf(model) else model


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
