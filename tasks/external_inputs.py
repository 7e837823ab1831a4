"""Write `.iterpref/external.yaml`: what stages read from outside of the checkout, so that DVC sees when it changes.

These are the files of models that params.yaml names by a path, copies of benchmarks that the environment names, and the
versions of Python and of the libraries that compute. In dvc.yaml each stage names the values that it depends on.
`dvc repro` starts this module as the stage `external`; `iterpref run` calls it before it asks DVC what is stale.

A path that is not on this machine keeps the digest that dvc.lock has of it: the results of another machine count here,
and only a stage that reads the path asks for it.
"""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from iterpref_core.cli import exit_code
from iterpref_core.models.pretrained.checkpoints import ADAPTERS, is_path, locate_model
from iterpref_core.records import BENCHMARKS, PUBLISHED, ModelError, Params, digest_of, load_params, read_yaml
from iterpref_core.storage.digests import file_digest
from iterpref_core.storage.jsonl import write_text

from .paths import LOCK, PARAMS, STATE, home

EXTERNAL = STATE / "external.yaml"
LIBRARIES = ("accelerate", "evalplus", "peft", "tokenizers", "torch", "transformers", "trl")
"""The libraries that compute for a stage."""


def write_external_inputs(params: Params) -> None:
    """Write the file for these parameters, unless it is up to date.

    15 GB of weights are read once, and not again by each command: digests of files are kept by size, time and inode.
    """
    kept = home() / STATE / "digests.json"
    before: dict[str, str] = {}
    with suppress(OSError, ValueError):  # the file is not there, or torn
        before = json.loads(kept.read_bytes())
    known: dict[str, str] = {}

    def digest(*names: str | None) -> str | None:
        """Return a digest of files, and of the files of folders by name; None if no path is named."""
        found = []
        for path in (Path(name) for name in names if name):
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                if file.is_file():
                    stat = file.stat()
                    key = f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
                    known[key] = before.get(key) or file_digest(file)
                    found.append([file.name if path.is_dir() else "", known[key]])
        return digest_of(found) if found else None

    def benchmarks(key: str, names: Iterable[str]) -> dict[str, str | None]:
        copies = {name: _copy_of(name) for name in names}
        return {name: digest(copy) or (_locked(key, copy) or {}).get(name) for name, copy in copies.items()}

    named = {
        "student": ("model.student", params.model.student),
        "debugger": ("model.debugger", params.model.debugger),
        "start": ("training.start", params.training.start),
        "accelerate": ("training.accelerate", params.training.accelerate),
    }
    found = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **{name: installed_version(name) for name in LIBRARIES},
        "files": {
            key: digest(path, _base_of(path)) or _locked(f"files.{key}", path, parameter)
            for key, (parameter, path) in named.items()
        },
        "measured": benchmarks("measured", params.evaluation.benchmarks),
        "screened": benchmarks("screened", (*params.pairs.benchmarks, *params.evaluation.benchmarks)),
    }
    _write(kept, json.dumps(known))
    # One section, so that `dvc exp show --drop external` leaves all of it out: no commit has this file.
    _write(EXTERNAL, json.dumps({"external": found}, indent=2))


def _locked(key: str, path: str | None, parameter: str = "") -> Any:
    """Return what dvc.lock has of a path that is not on this machine; None for any other name.

    Args:
        key: of the section that this module writes, such as `files.student`.
        path: a parameter, or a variable of the environment.
        parameter: the parameter; a stage that has run with another path does not count.
    """
    if path is None or not is_path(path) or Path(path).exists() or not LOCK.is_file():
        return None
    for stage in read_yaml(LOCK)["stages"].values():
        params = stage.get("params", {})
        locked = params.get(str(EXTERNAL), {})
        if f"external.{key}" in locked and params.get(str(PARAMS), {}).get(parameter, path) == path:
            return locked[f"external.{key}"]
    return None


def _base_of(model: str | None) -> str | None:
    """Return the model that adapters in a folder are for."""
    if model is None or not (Path(model) / ADAPTERS).is_file():
        return None
    with suppress(ModelError):  # stage nanolab says what is wrong
        return locate_model(model).name_or_path
    return None


def _copy_of(name: str) -> str | None:
    """Return the copy of a benchmark that the environment names, or the path of a benchmark of one's own."""
    data = PUBLISHED.get(name) or (BENCHMARKS[name].data if name in BENCHMARKS else None)
    if data is not None:
        return os.environ.get(data.variable)
    return None if name in BENCHMARKS else name


def installed_version(name: str) -> str | None:
    """Return a library's version, without the build for a machine such as `+cpu`; None if it is not installed."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text("utf-8") != text:
        write_text(path, text)


if __name__ == "__main__":
    sys.exit(exit_code(lambda: write_external_inputs(load_params())))
