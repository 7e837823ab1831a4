"""BigCodeBench data: the tasks of its published files.

Which tasks are Hard is published, and nothing that could be computed from the others.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from iterpref_core.errors import DataUnavailableError, InputError
from iterpref_core.screening.benchmark_files import find_benchmark
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import parse_lines

Subset = Literal["full", "hard"]


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


def find_data(subset: Subset) -> tuple[str, str, dict[str, BigCodeBenchTask]]:
    """Find a subset, downloading it where needed.

    Returns:
        Its name (an overriding file keeps its own), the SHA-256 of what was read, and tasks by task_id.

    Raises:
        DataUnavailableError: it cannot be had here; the message names the variable that points at a file.
    """
    name, (path,), remedy = find_benchmark("bigcodebench" if subset == "full" else "bigcodebench-hard")
    tasks = {key: _task(row, path, remedy) for key, row in _read(path, remedy).items()}
    return name, file_digest(path), tasks


def _read(path: Path, remedy: str) -> dict[str, dict[str, Any]]:
    """task_id → row of a file."""
    rows: dict[str, dict[str, Any]] = {}
    number = 1
    try:
        for number, line in parse_lines(path):  # noqa: B007 - for the message
            row = json.loads(line)
            if str(row["task_id"]) in rows:
                raise ValueError(f"a second task has the task_id {row['task_id']!r}")
            rows[str(row["task_id"])] = row
    except (InputError, ValueError, KeyError, TypeError) as error:
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
