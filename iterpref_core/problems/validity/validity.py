"""Stage `validity`: the quality of problems' tests, measured by mutants and coverage, and scored by a judge."""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path

from iterpref_core.execution import open_executor
from iterpref_core.models.inference.backend import Model
from iterpref_core.problems.validity.llm_judge import CRITERIA, judge_tests
from iterpref_core.problems.validity.mutation_score import PRELOAD, ProblemQuality, measure_tests
from iterpref_core.records import Problem
from iterpref_core.records.config import ExecutionParams, ValidityParams
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.storage.progress import show_progress

SPLIT = "codeflow"
_SEED = 29
"""The seed of the choice of problems, and of mutants."""
_MUTANTS = 6
"""The largest number of mutants of a reference."""
_MEANS = {"line_coverage": "line_coverage", "branch_coverage": "branch_coverage", "coverage": "coverage/mean"}
"""Field of `ProblemQuality` → metric that is its mean."""

Judge = AbstractContextManager[Model | None]
"""A context that opens the model that scores tests, after everything else is measured; None without a judge."""


def measure_validity(
    problems: Path,
    params: ValidityParams,
    execution: ExecutionParams,
    judge: Judge,
    out: Path,
) -> dict[str, float]:
    """Measure the tests of a sample of CodeFlow's problems.

    Args:
        problems: JSONL of `Problem`.
        params: the number of problems.
        execution: the limits of the programs.
        judge: opens the judge.
        out: the JSONL file of `ProblemQuality`, in the order in which the problems were drawn.

    Returns:
        The metrics of `assess_tests`.

    Raises:
        RecordError: a broken line.
        InputError: there is no problem to measure.
        ExecutionError: the engine failed.
    """
    drawn = _draw(problems, params.sample)
    return assess_tests(drawn, execution, judge, out)


def assess_tests(
    problems: Sequence[Problem],
    execution: ExecutionParams,
    judge: Judge,
    out: Path | None,
) -> dict[str, float]:
    """Measure the tests of problems, visible and hidden ones together.

    Args:
        problems: the problems to measure.
        execution: the limits of the programs.
        judge: opens the judge.
        out: the JSONL file of `ProblemQuality`, in the order of the problems; None writes none.

    Returns:
        The metrics. `problems`; `inside`, those with tests that run inside, if there are any. `reference/<verdict>`
        (or `none`): the verdicts on the references. `mutants`, `killed`, and `mutation_score`, the share of all
        mutants that fail. `line_coverage`, `branch_coverage` and `coverage/mean` (lines and branches together): means
        over problems. With a judge also `judge/asked`, `judge/asked_again`, `judge/unreadable`, and
        `<criterion>/mean` for each criterion.

    Raises:
        ExecutionError: the engine failed.
    """
    assessed: list[ProblemQuality] = []
    with open_executor(execution, PRELOAD) as executor, show_progress("validity", len(problems)) as advance:
        for _, quality in executor.each(problems, lambda problem: measure_tests(problem, executor, _MUTANTS, _SEED)):
            assessed.append(quality)
            advance()
    counts: Counter[str] = Counter()
    with judge as backend:
        if backend is not None:
            counts.update(asked=0, asked_again=0, unreadable=0)
            scores = list(judge_tests(problems, backend, counts))
            assessed = [
                quality.model_copy(update={"judge": score}) for quality, score in zip(assessed, scores, strict=True)
            ]
    if out is not None:
        write_jsonl(out, assessed)
    metrics = _metrics(assessed)
    for name, count in counts.items():
        metrics[f"judge/{name}"] = float(count)
    return metrics


def _draw(path: Path, size: int) -> list[Problem]:
    """Draw so many problems of CodeFlow's from a file, in random order; a smaller file gives all.

    The order is that of a hash of `_SEED` and `task_id`, so that a problem stays in the sample when others come or go,
    and the first problems of a sample are a sample, too. The file is streamed.

    Raises:
        RecordError: a line is broken, or repeats a task_id.
        InputError: there is no problem to draw.
    """

    def order(problem: Problem) -> str:
        return sha256(f"{_SEED}/{problem.task_id}".encode()).hexdigest()

    drawn = heapq.nsmallest(size, read_jsonl(path, Problem, unique=True, split=SPLIT), key=order)
    if not drawn:
        raise InputError(f"{path}: holds no problem of the split {SPLIT!r}; give another file")
    return drawn


def _metrics(assessed: Sequence[ProblemQuality]) -> dict[str, float]:
    mutants = sum(item.mutants for item in assessed)
    killed = sum(item.killed for item in assessed)
    metrics = {
        "problems": float(len(assessed)),
        "mutants": float(mutants),
        "killed": float(killed),
    }
    references = Counter(item.reference or "none" for item in assessed)
    for verdict, count in sorted(references.items()):
        metrics[f"reference/{verdict}"] = float(count)
    if inside := sum(item.inside is not None for item in assessed):
        metrics["inside"] = float(inside)
    for field, name in _MEANS.items():
        values = _measured(assessed, field)
        if values:
            metrics[name] = sum(values) / len(values)
    if mutants:
        metrics["mutation_score"] = killed / mutants
    judged = [item.judge for item in assessed if item.judge is not None]
    if judged:
        for name in CRITERIA:
            scores = [getattr(scores_of_one, name) for scores_of_one in judged]
            metrics[f"{name}/mean"] = sum(scores) / len(scores)
    return metrics


def _measured(assessed: Iterable[ProblemQuality], name: str) -> list[float]:
    values = [getattr(item, name) for item in assessed]
    return [value for value in values if value is not None]
