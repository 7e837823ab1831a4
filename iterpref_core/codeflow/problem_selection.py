"""Problem selection: those that take part in a run, streamed from their file instead of held in memory."""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.errors import InputError
from iterpref_core.execution import check_tests
from iterpref_core.inference.backend import derive_seed
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import read_jsonl

SPLIT = "codeflow"


@dataclass(frozen=True)
class Survey:
    """What is known of the problems before any work: how many, a digest of all, and one of their tests alone."""

    count: int
    digest: str
    tests: str


def survey(path: Path) -> Survey:
    """Read the whole file once.

    Raises:
        InputError: no problem takes part, one has no tests, or a task_id stands there twice.
    """
    count, digest, tests = 0, hashlib.sha256(), hashlib.sha256()
    for problem in selected(path, unique=True):
        check_tests(problem, path, visible=True)
        count += 1
        digest.update(problem.to_json().encode())
        tests.update(f"{problem.task_id} {problem.tests_digest}\n".encode())
    if not count:
        raise InputError(f"{path}: no problem of split '{SPLIT}'; give some problems this split, or none")
    return Survey(count, digest.hexdigest(), tests.hexdigest())


def selected(path: Path, *, unique: bool = False) -> Iterator[Problem]:
    """The problems of split `codeflow`, and those that name no split."""
    return (problem for problem in read_jsonl(path, Problem, unique=unique) if problem.split in (None, SPLIT))


def pick(path: Path, count: int) -> list[str]:
    """The task_ids of a sample of so many problems, in their order: those whose hashes are smallest.

    The same in every run, and a larger sample holds a smaller one.
    """
    ids = (problem.task_id for problem in selected(path))
    keyed = ((derive_seed("estimate", task_id), place, task_id) for place, task_id in enumerate(ids))
    return [task_id for _, _, task_id in sorted(heapq.nsmallest(count, keyed), key=lambda item: item[1])]
