"""Benchmark tasks, to screen against: their files, found by name or path, and what they ask."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.errors import InputError, RecordError
from iterpref_core.input_files import Place, parse_json
from iterpref_core.records import COMPOSED
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import parse_lines

HELDOUT = "heldout"
VARIABLES = {
    "humaneval": "HUMANEVAL_OVERRIDE_PATH",
    "mbpp": "MBPP_OVERRIDE_PATH",
    "bigcodebench": "BIGCODEBENCH_OVERRIDE_PATH",
    "livecodebench": "LIVECODEBENCH_PATH",
}
"""Benchmarks with a name, and the variable that says where their file, or a folder of its files, is. HumanEval and
HumanEval+ ask the same."""
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
    """The files of benchmarks, and of names without one on this machine the reason. A path must exist.

    Args:
        asked: names (`heldout` and those of `VARIABLES`), or paths of JSONL files.
        problems: JSONL with the held-out problems.

    Raises:
        InputError: a path, or what a variable says, is no file.
    """
    found: list[BenchmarkFile] = []
    absent: dict[str, str] = {}
    for name in dict.fromkeys(asked):
        if name in VARIABLES and VARIABLES[name] not in os.environ:
            absent[name] = f"{VARIABLES[name]} is not set"
        else:
            found.extend(_open_files(name, problems))
    return found, absent


def _open_files(name: str, problems: Path) -> list[BenchmarkFile]:
    if name == HELDOUT:
        path, source = problems, str(problems)
    elif name in VARIABLES:
        path, source = Path(os.environ[VARIABLES[name]]), f"{VARIABLES[name]}={os.environ[VARIABLES[name]]}"
    else:
        path, source = Path(name), name
        name = path.name
    if path.is_dir() and (inside := sorted(path.glob("*.jsonl"))):
        return [_digest(f"{name}/{file.name}", file) for file in inside]
    if not path.is_file():
        known = ", ".join((HELDOUT, *VARIABLES))
        raise InputError(f"{source}: no such file; give a benchmark's JSONL file, or one of {known}")
    return [_digest(name, path)]


def _digest(name: str, path: Path) -> BenchmarkFile:
    return BenchmarkFile(name, path, file_digest(path))


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
