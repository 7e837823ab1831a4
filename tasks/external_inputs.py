"""Write `.iterpref/external.yaml`: what stages read from outside of the checkout, so that DVC sees when it changes.

These are the files of models that params.yaml names by a path, copies of benchmarks that the environment names, and the
versions of Python and of the libraries that compute. In dvc.yaml each stage names the values that it depends on.
`dvc repro` starts this module as the stage `external`; `iterpref run` calls it before it asks DVC what is stale.
"""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from iterpref_core.cli import exit_code
from iterpref_core.models.pretrained.checkpoints import ADAPTERS, locate_model
from iterpref_core.records import BENCHMARKS, PUBLISHED, ModelError, Params, digest_of, load_params
from iterpref_core.storage.digests import file_digest
from iterpref_core.storage.jsonl import atomic_writer

from .paths import STATE, home

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

    def benchmarks(names: Iterable[str]) -> dict[str, str | None]:
        return {name: digest(_copy_of(name)) for name in names}

    models = {"student": params.model.student, "debugger": params.model.debugger, "start": params.training.start}
    files = {name: digest(model, _base_of(model)) for name, model in models.items()}
    found = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **{name: installed_version(name) for name in LIBRARIES},
        "files": {**files, "accelerate": digest(params.training.accelerate)},
        "measured": benchmarks(params.evaluation.benchmarks),
        "screened": benchmarks((*params.pairs.benchmarks, *params.evaluation.benchmarks)),
    }
    _write(kept, json.dumps(known))
    # One section, so that `dvc exp show --drop external` leaves all of it out: no commit has this file.
    _write(EXTERNAL, json.dumps({"external": found}, indent=2))


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
        with atomic_writer(path) as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(exit_code(lambda: write_external_inputs(load_params())))
