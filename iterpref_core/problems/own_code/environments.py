"""Keep the environments of projects in a file beside their problems, where the verbs find them.

`environments.yaml` has what `execution.environments` in params.yaml has, and serves every file of problems in its
folder. It is of one machine: problems themselves only name their environment, so that they are the same on every one.
"""

import json
import shutil
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from iterpref_core.records import EnvironmentParams, InputError, read_yaml
from iterpref_core.storage.jsonl import atomic_writer, describe_validation_error

FILE = "environments.yaml"
_ENVIRONMENTS = TypeAdapter(dict[str, EnvironmentParams])


def environments_in(folder: Path) -> dict[str, EnvironmentParams]:
    """Return the environments that a folder of problems names, and whose paths are on this machine.

    Raises:
        InputError: the file is not what `remember_environment` writes.
    """
    return {name: each for name, each in _read(folder / FILE).items() if _is_here(each)}


def remember_environment(folder: Path, name: str, environment: EnvironmentParams) -> None:
    """Add a project's environment to the file in a folder of problems; those of other projects stay.

    Raises:
        InputError: the file is not what this function writes.
    """
    path = folder / FILE
    known = _read(path) | {name: environment}
    with atomic_writer(path) as file:
        # One line for each project; JSON is YAML, too.
        for project, each in sorted(known.items()):
            file.write(f"{json.dumps(project)}: {json.dumps(each.model_dump(mode='json'), ensure_ascii=False)}\n")


def _read(path: Path) -> dict[str, EnvironmentParams]:
    if not path.is_file():
        return {}
    try:
        return _ENVIRONMENTS.validate_python(read_yaml(path, "ingest the project again") or {})
    except ValidationError as error:
        raise InputError(f"{path}: {describe_validation_error(error)}; remove it, and ingest again") from None


def _is_here(environment: EnvironmentParams) -> bool:
    return bool(shutil.which(environment.python)) and all(Path(folder).is_dir() for folder in environment.paths)
