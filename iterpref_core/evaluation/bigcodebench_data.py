"""BigCodeBench data: an override path, or the published data set by `datasets`.

Version and names are those that bigcodebench 0.2.5 pins (`bigcodebench.data.bigcodebench`). Which tasks are Hard is
published, and nothing that could be computed from the others: without that set, or a file, there is no Hard.
"""

import gzip
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from iterpref_core.errors import DataUnavailableError
from iterpref_core.evaluation.downloads import downloaded
from iterpref_core.storage.file_digest import file_digest

Subset = Literal["full", "hard"]

VERSION = "v0.1.4"
_SOURCES: dict[Subset, tuple[str, str, str]] = {
    "full": ("BigCodeBench", "bigcode/bigcodebench", "BIGCODEBENCH_OVERRIDE_PATH"),  # the official package's variable
    "hard": ("BigCodeBench-Hard", "bigcode/bigcodebench-hard", "BIGCODEBENCH_HARD_OVERRIDE_PATH"),
}
_DOWNLOAD = """
import os, urllib.request
# The client tries for half a minute where there is no network; a plain request knows at once.
endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
urllib.request.urlopen(f"{{endpoint}}/api/datasets/{repository}").close()
from datasets import load_dataset
load_dataset("{repository}", split="{version}").to_json(target)
"""


@dataclass(frozen=True)
class BigCodeBenchTask:
    """A task, with the fields of the published data set that are needed."""

    task_id: str
    complete_prompt: str
    instruct_prompt: str
    canonical_solution: str
    code_prompt: str
    test: str
    entry_point: str


def find_data(subset: Subset, cache: Path) -> tuple[str, str, dict[str, BigCodeBenchTask]]:
    """Find a subset, downloading it where needed.

    Returns:
        Its name (an overriding file keeps its own), the SHA-256 of what was read, and tasks by task_id.

    Raises:
        DataUnavailableError: it cannot be had here; the message names the variable that points at a file.
    """
    path, name, remedy = _find_file(subset, cache)
    tasks = {key: _task(row, path, remedy) for key, row in _read(path, remedy).items()}
    return name, file_digest(path), tasks


def _find_file(subset: Subset, cache: Path) -> tuple[Path, str, str]:
    """Its path, the name of the data, and what to do where it is of no use."""
    name, repository, variable = _SOURCES[subset]
    where = f"https://huggingface.co/datasets/{repository} ({VERSION}, as JSON lines)"
    remedy = f"set {variable} to a copy of {where}"
    if override := os.environ.get(variable):
        if not Path(override).is_file():
            raise DataUnavailableError(f"{variable}={override}: no such file; correct or unset the variable")
        return Path(override).resolve(), Path(override).name, remedy
    script = _DOWNLOAD.format(repository=repository, version=VERSION)
    target = cache / f"{name}-{VERSION}.jsonl"
    return downloaded(target, script, f"{name} {VERSION}", remedy), f"{name}-{VERSION}", remedy


def _read(path: Path, remedy: str) -> dict[str, dict[str, Any]]:
    """task_id → row of a file, gzip or not."""
    raw = path.read_bytes()
    rows: dict[str, dict[str, Any]] = {}
    number = 0
    try:
        text = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        for number, line in enumerate(text.decode().split("\n"), 1):  # noqa: B007 - for the message
            if line.strip():
                row = json.loads(line)
                if str(row["task_id"]) in rows:
                    raise ValueError(f"a second task has the task_id {row['task_id']!r}")
                rows[str(row["task_id"])] = row
    except (EOFError, OSError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise DataUnavailableError(
            f"{path}:{number}: not a data set of BigCodeBench ({type(error).__name__}: {error}); {remedy}"
        ) from None
    if not rows:
        raise DataUnavailableError(f"{path}: holds no task; {remedy}")
    return rows


def _task(row: dict[str, Any], path: Path, remedy: str) -> BigCodeBenchTask:
    fields = {name: row.get(name) for name in BigCodeBenchTask.__dataclass_fields__} | {"task_id": str(row["task_id"])}
    for name, value in fields.items():
        if not isinstance(value, str):
            message = f"{path}: task {row['task_id']!r}: field {name!r} is missing or no text; {remedy}"
            raise DataUnavailableError(message)
    return BigCodeBenchTask(**fields)  # type: ignore[arg-type]
