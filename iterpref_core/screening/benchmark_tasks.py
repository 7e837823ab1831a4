"""Benchmark tasks, to screen against: what they ask."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.errors import RecordError
from iterpref_core.input_files import Place, parse_json
from iterpref_core.records import COMPOSED
from iterpref_core.storage.jsonl import parse_lines

HELDOUT = "heldout"
PROMPTS = ("prompt", "text", "complete_prompt", "instruct_prompt", "question_content")
SOLUTIONS = ("reference", "canonical_solution", "code")
NAMES = ("task_id", "question_id")
"""Fields of our problems and of HumanEval(+), MBPP(+), BigCodeBench and LiveCodeBench."""


@dataclass(frozen=True)
class BenchmarkTask:
    """What a task asks, in each form it is asked in, and its solutions.

    `composed`: from this project's feature tree, where all prompts are made of the same phrases.
    """

    name: str
    prompts: tuple[str, ...]
    solutions: tuple[str, ...]
    composed: bool = False


def read_benchmark(path: Path, *, only_heldout: bool = False) -> Iterator[BenchmarkTask]:
    """Stream the tasks of a benchmark's JSONL file; of problems that belong to a split only the held-out ones.

    Args:
        path: the file.
        only_heldout: leave out problems of no split as well: in this project's problems these may be trained on.

    Raises:
        InputError: the file is absent.
        RecordError: a line is no JSON object, or has neither a prompt nor a solution.
    """
    for number, text in parse_lines(path):
        task = parse_json(text, Place(path, number))
        if not isinstance(task, dict) or not any(isinstance(task.get(name), str) for name in PROMPTS + SOLUTIONS):
            fields = ", ".join(PROMPTS + SOLUTIONS)
            raise RecordError(f"{path}:{number}: no text under any of the fields {fields}; give a benchmark's file")
        if task.get("split") in ((HELDOUT,) if only_heldout else (None, HELDOUT)):
            prompts, solutions = (_texts(task, names) for names in (PROMPTS, SOLUTIONS))
            name = next((str(task[field]) for field in NAMES if field in task), f"{path.name}:{number}")
            yield BenchmarkTask(name, prompts, solutions, composed=task.get("source") == COMPOSED)


def _texts(task: dict[str, object], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for name in names if isinstance(text := task.get(name), str) and text.strip())
