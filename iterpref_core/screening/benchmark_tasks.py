"""Benchmark tasks to screen pairs against: their prompts and their solutions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.benchmark_table import PUBLISHED
from iterpref_core.errors import RecordError
from iterpref_core.input_files import LinePlace, parse_json
from iterpref_core.records import COMPOSED
from iterpref_core.storage.jsonl import parse_lines

HELDOUT = "heldout"


def _fields(own: tuple[str, ...], published: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    names = list(own)
    for fields in published:
        names += fields
    return tuple(dict.fromkeys(names))


# This project's problems have `prompt`, `reference` and `task_id`; MBPP's first release has `text` and `code`.
PROMPTS = _fields(("prompt", "text"), [data.prompts for data in PUBLISHED.values()])
SOLUTIONS = _fields(("reference", "code"), [data.solutions for data in PUBLISHED.values()])
NAMES = _fields(("task_id",), [(data.task_id,) for data in PUBLISHED.values()])
"""The fields of a task that are read, whichever benchmark the task is of."""


@dataclass(frozen=True)
class BenchmarkTask:
    """A task of a benchmark.

    Attributes:
        name: the task's id.
        prompts: the prompt in each form in which the benchmark asks the task.
        solutions: the benchmark's canonical solutions.
        composed: True for problems of this project's feature tree, whose prompts are all made of the same phrases.
    """

    name: str
    prompts: tuple[str, ...]
    solutions: tuple[str, ...]
    composed: bool = False


def read_benchmark(path: Path, *, only_heldout: bool = False) -> Iterator[BenchmarkTask]:
    """Stream the tasks of a benchmark's JSONL file. Problems that name a split count only if the split is held-out.

    Args:
        path: the file.
        only_heldout: leave out problems without a split as well, because this project may train on them.

    Raises:
        InputError: the file is absent.
        RecordError: a line is no JSON object, or has neither a prompt nor a solution.
    """
    wanted_splits = (HELDOUT,) if only_heldout else (None, HELDOUT)
    fields = PROMPTS + SOLUTIONS
    for number, text in parse_lines(path):
        task = parse_json(text, LinePlace(path, number))
        is_task = isinstance(task, dict) and any(isinstance(task.get(name), str) for name in fields)
        if not is_task:
            listed = ", ".join(fields)
            raise RecordError(f"{path}:{number}: no text under any of the fields {listed}; give a benchmark's file")
        if task.get("split") not in wanted_splits:
            continue
        yield BenchmarkTask(
            name=_name(task, default=f"{path.name}:{number}"),
            prompts=_texts(task, PROMPTS),
            solutions=_texts(task, SOLUTIONS),
            composed=task.get("source") == COMPOSED,
        )


def _name(task: dict[str, object], default: str) -> str:
    for field in NAMES:
        if field in task:
            return str(task[field])
    return default


def _texts(task: dict[str, object], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts of a task's fields of these names; blank ones count as absent."""
    values = [task.get(name) for name in names]
    return tuple(value for value in values if isinstance(value, str) and value.strip())
