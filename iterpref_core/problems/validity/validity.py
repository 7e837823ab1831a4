"""Measure the quality of problems' tests by mutants and coverage (stage `validity`)."""

import heapq
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from statistics import fmean

from iterpref_core.execution import open_executor
from iterpref_core.records import ExecutionParams, InputError, Params, Problem, ValidityResult
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.storage.own_pairs import has_pairs_alone
from iterpref_core.storage.progress import watch

from .mutation_score import PRELOAD, measure_tests

SPLIT = "codeflow"
# The seed of the choice of problems, and of mutants.
_SEED = 29
# The largest number of mutants of a reference.
_MUTANTS = 6
# Fields of `ProblemQuality` that are averaged.
_MEANS = ("line_coverage", "branch_coverage", "coverage")


def measure_validity(params: Params, *, problems: Path, own_pairs: Path, out: Path) -> ValidityResult:
    """Measure the tests of a sample of CodeFlow's problems, which are streamed (stage `validity`).

    Args:
        params: all parameters.
        problems: JSONL of `Problem`.
        own_pairs: folder of the user's own pairs; with some, no problem is needed.
        out: the JSONL file of `ProblemQuality`, in the order of the drawing.

    Raises:
        RecordError: a line is broken, or repeats a task_id.
        InputError: the file has no problem to measure.
        ExecutionError: the engine failed.
    """
    if has_pairs_alone(own_pairs, problems):
        write_jsonl(out, [])
        return ValidityResult()

    # A hash decides the order: a problem stays in the sample when others come or go, and the first problems of a sample
    # are also a sample.
    def order(problem: Problem) -> str:
        return sha256(f"{_SEED}/{problem.task_id}".encode()).hexdigest()

    drawn = heapq.nsmallest(params.validity.sample, read_jsonl(problems, Problem, unique=True, split=SPLIT), key=order)
    if not drawn:
        raise InputError(f"{problems}: holds no problem of the split {SPLIT!r}; give another file")
    return assess_tests(drawn, params.execution, out)


def assess_tests(
    problems: Sequence[Problem],
    execution: ExecutionParams,
    out: Path | None,
) -> ValidityResult:
    """Measure the tests of problems, visible and hidden ones together.

    Args:
        problems: the problems to measure.
        execution: the limits of the programs.
        out: the JSONL file of `ProblemQuality`, in the order of the problems; None writes none.

    Raises:
        ExecutionError: the engine failed.
    """
    with open_executor(execution, PRELOAD) as executor:
        measured = executor.each(problems, lambda problem: measure_tests(problem, executor, _MUTANTS, _SEED))
        assessed = [quality for _, quality in watch("validity", len(problems), measured)]
    if out is not None:
        write_jsonl(out, assessed)
    mutants = sum(item.mutants for item in assessed)
    killed = sum(item.killed for item in assessed)
    # Means are over the problems whose coverage was measured.
    means = {}
    for name in _MEANS:
        values = [getattr(item, name) for item in assessed if getattr(item, name) is not None]
        if values:
            means[name] = fmean(values)
    return ValidityResult(
        problems=len(assessed),
        inside=sum(item.inside is not None for item in assessed) or None,
        references=dict(sorted(Counter(item.reference or "none" for item in assessed).items())),
        mutants=mutants,
        killed=killed,
        mutation_score=killed / mutants if mutants else None,
        **means,
    )
