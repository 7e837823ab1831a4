"""Benchmark tasks, to screen against: their files, found by name or path, and what they ask."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.errors import DataUnavailableError, InputError, RecordError
from iterpref_core.input_files import Place, parse_json
from iterpref_core.records import COMPOSED
from iterpref_core.screening.benchmark_files import SOURCES, find_benchmark
from iterpref_core.storage.file_digest import file_digest
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


@dataclass(frozen=True)
class BenchmarkFile:
    """A benchmark that is on this machine; `sha256` is of the file as it lies there."""

    name: str
    path: Path
    sha256: str


def find_benchmarks(asked: Iterable[str], problems: Path) -> tuple[list[BenchmarkFile], dict[str, str]]:
    """The files of benchmarks, and of names whose files cannot be had on this machine the reason. A path must exist.

    Args:
        asked: names (`heldout` and those of `SOURCES`), or paths of JSONL files.
        problems: JSONL with the held-out problems.

    Raises:
        InputError: a path is no file.
    """
    found: list[BenchmarkFile] = []
    absent: dict[str, str] = {}
    for name in dict.fromkeys(asked):
        try:
            files = find_benchmark(name).files if name in SOURCES else (problems if name == HELDOUT else Path(name),)
        except DataUnavailableError as error:
            absent[name] = str(error)
            continue
        for path in files:
            if not path.is_file():
                known = ", ".join((HELDOUT, *SOURCES))
                raise InputError(f"{path}: no such file; give a benchmark's JSONL file, or one of {known}")
            label = name if name in (HELDOUT, *SOURCES) else path.name
            found.append(BenchmarkFile(label if len(files) == 1 else f"{label}/{path.name}", path, file_digest(path)))
    return found, absent


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
