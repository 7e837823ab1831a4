"""BigCodeBench data: an override path, a cache, or the published data set.

Version and addresses are those that bigcodebench 0.2.5 pins (`bigcodebench.data.bigcodebench`). Which tasks are Hard is
published, and nothing that could be computed from the others: without that set, or a file, there is no Hard.
"""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from iterpref_core.errors import DataUnavailableError
from iterpref_core.evaluation.downloads import cached_or_downloaded, official_cache

Subset = Literal["full", "hard"]

VERSION = "v0.1.4"
VARIABLES: dict[Subset, str] = {
    "full": "BIGCODEBENCH_OVERRIDE_PATH",  # the official package's own
    "hard": "BIGCODEBENCH_HARD_OVERRIDE_PATH",
}
REPOSITORIES: dict[Subset, str] = {"full": "bigcode/bigcodebench", "hard": "bigcode/bigcodebench-hard"}

DOWNLOAD_S = 180.0
"""Longest download; the file has some 5 MB."""

_GZIP_MAGIC = b"\x1f\x8b"
_DOWNLOAD = """
import os, sys, urllib.request
repository, version, target = sys.argv[1:]
# The client tries for half a minute where there is no network; a plain request knows at once.
endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
urllib.request.urlopen(f"{endpoint}/api/datasets/{repository}", timeout=8).close()
from datasets import load_dataset
load_dataset(repository, split=version).to_json(target)
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


@dataclass(frozen=True)
class BigCodeBenchData:
    """A subset that is on this machine."""

    subset: Subset
    name: str
    sha256: str
    tasks: tuple[BigCodeBenchTask, ...]


def find_data(subset: Subset, cache: Path) -> BigCodeBenchData:
    """Find a subset, downloading it where needed.

    A file of Hard may be the published one, or name tasks of Full by their `task_id` alone.

    Raises:
        DataUnavailableError: it cannot be had here; the message names the variable that points at a file.
    """
    path = _find_file(subset, cache)
    rows = _read(subset, path)
    digest = hashlib.sha256(path.read_bytes())
    needed = {field.name for field in fields(BigCodeBenchTask)}
    if subset == "hard" and any(needed - row.keys() for row in rows):
        full = _find_file("full", cache)
        known = {row["task_id"]: row for row in _read("full", full)}
        unknown = [row["task_id"] for row in rows if row["task_id"] not in known]
        if unknown:
            raise DataUnavailableError(f"{path}: task_id {unknown[0]!r} is no task of {full}; correct it")
        rows = [known[row["task_id"]] for row in rows]
        digest.update(full.read_bytes())
    return BigCodeBenchData(subset, _name(subset, path), digest.hexdigest(), tuple(_tasks(subset, path, rows)))


def _tasks(subset: Subset, path: Path, rows: list[dict[str, Any]]) -> Iterator[BigCodeBenchTask]:
    names = [field.name for field in fields(BigCodeBenchTask)]
    seen: set[str] = set()
    for row in rows:
        wrong = [name for name in names if not isinstance(row.get(name), str)]
        if wrong or row["task_id"] in seen:
            problem = f"field {wrong[0]!r} is missing or no text" if wrong else "a second task has this task_id"
            raise DataUnavailableError(
                f"{path}: task {row['task_id']!r}: {problem}; set {VARIABLES[subset]} to a copy of {_source(subset)}"
            )
        seen.add(row["task_id"])
        yield BigCodeBenchTask(**{name: row[name] for name in names})


def _file(subset: Subset) -> str:
    return f"BigCodeBench{'-Hard' if subset == 'hard' else ''}-{VERSION}.jsonl"


def _source(subset: Subset) -> str:
    return f"https://huggingface.co/datasets/{REPOSITORIES[subset]} ({VERSION}, as JSON lines)"


def _name(subset: Subset, path: Path) -> str:
    """Name of the data for people; overriding files keep their own names."""
    return path.name if os.environ.get(VARIABLES[subset]) else _file(subset).removesuffix(".jsonl")


def _read(subset: Subset, path: Path) -> list[dict[str, Any]]:
    """The rows of a file, each an object with a `task_id`."""
    rows = []
    number = 0
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP_MAGIC
        with gzip.open(path, "rt", encoding="utf-8") if compressed else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):  # noqa: B007 - for the message
                if line.strip():
                    row = json.loads(line)
                    row["task_id"] = str(row["task_id"])
                    rows.append(row)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataUnavailableError(
            f"{path}:{number}: not a data set of BigCodeBench ({type(error).__name__}: {error}); "
            f"set {VARIABLES[subset]} to a copy of {_source(subset)}"
        ) from None
    if not rows:
        raise DataUnavailableError(f"{path}: holds no task; set {VARIABLES[subset]} to a complete file")
    return rows


def _find_file(subset: Subset, cache: Path) -> Path:
    override = os.environ.get(VARIABLES[subset])
    if override:
        path = Path(override)
        if not path.is_file():
            raise DataUnavailableError(f"{VARIABLES[subset]}={path}: no such file; correct or unset the variable")
        return path.resolve()
    found, reason = cached_or_downloaded(
        cache / "data" / _file(subset),
        official_cache("bigcodebench") / _file(subset),
        lambda target: _download(subset, target),
    )
    if found is None:
        raise DataUnavailableError(
            f"BigCodeBench {subset} {VERSION} is neither cached here nor could it be downloaded ({reason}); "
            f"set {VARIABLES[subset]} to a copy of {_source(subset)}"
        )
    return found


def _download(subset: Subset, target: Path) -> str:
    """Download the published set as bigcodebench does; returns why not, or nothing.

    In a process of its own, since the client knows no limit of time.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    command = [sys.executable, "-W", "ignore", "-c", _DOWNLOAD, REPOSITORIES[subset], VERSION, str(temporary)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
        if done.returncode == 0:
            temporary.replace(target)
            return ""
        return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        return f"no complete answer within {DOWNLOAD_S:.0f} s"
    finally:
        temporary.unlink(missing_ok=True)
