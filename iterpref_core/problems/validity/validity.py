"""Stage `validity`: the quality of problems' tests, measured by mutants and coverage, and scored by a judge."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from iterpref_core.execution import open_executor
from iterpref_core.models.inference.backend import Model
from iterpref_core.problems.validity.llm_judge import CRITERIA, Scores, judge_tests
from iterpref_core.problems.validity.mutation_score import PRELOAD, ProblemQuality, measure_tests
from iterpref_core.records import Problem
from iterpref_core.records.config import ExecutionParams, ValidityParams
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.storage.progress import show_progress

SPLIT = "codeflow"

Judge = AbstractContextManager[Model | None]
"""A context that opens the model that scores tests, after everything else is measured; None without a judge."""


@dataclass(frozen=True)
class Thresholds:
    """The least quality of tests for a problem to be kept; None demands nothing.

    Attributes:
        coverage: the share of lines and branches together, 0 to 1.
        mutation_score: the share of the problem's mutants that fail, 0 to 1.
        judge: the score in each criterion, 1 to 5.
    """

    coverage: float | None = None
    mutation_score: float | None = None
    judge: int | None = None

    def reason_against(self, problem: ProblemQuality) -> str | None:
        """Return the reason to drop a problem for its measurements, or None."""
        if self.coverage is None and self.mutation_score is None:
            return None
        if problem.reference is None:
            return "no_reference"
        if problem.reference != "passed":
            return "reference_fails"
        if self.coverage is not None:
            if problem.coverage is None:
                return "not_measurable"
            if problem.coverage < self.coverage:
                return "low_coverage"
        if self.mutation_score is not None and problem.mutation_score is not None:
            if problem.mutation_score < self.mutation_score:
                return "low_mutation_score"
        return None

    def reason_of_judge(self, scores: Scores | None) -> str | None:
        """Return the reason to drop a problem for its scores, the first criterion that falls short, or None."""
        if self.judge is None:
            return None
        if scores is None:
            return "unreadable"
        for name in CRITERIA:
            if getattr(scores, name) < self.judge:
                return f"low_{name}"
        return None


def measure_validity(
    problems: Path,
    params: ValidityParams,
    execution: ExecutionParams,
    judge: Judge,
    out: Path,
) -> dict[str, float]:
    """Measure the tests of a sample of CodeFlow's problems, and drop none of them.

    Args:
        problems: JSONL of `Problem`.
        params: the numbers of problems and mutants.
        execution: the limits of the programs.
        judge: opens the judge.
        out: the JSONL file of `ProblemQuality`, in the order in which the problems were drawn.

    Returns:
        The metrics of `assess_tests`, without thresholds.

    Raises:
        RecordError: a broken line.
        InputError: there is no problem to measure.
        ExecutionError: the engine failed.
    """
    drawn = draw_problems(problems, params.sample, params.seed, SPLIT)
    _, metrics = assess_tests(
        drawn,
        execution,
        judge,
        out,
        mutants=params.mutants,
        seed=params.seed,
    )
    return metrics


def assess_tests(
    problems: Sequence[Problem],
    execution: ExecutionParams,
    judge: Judge,
    out: Path | None,
    thresholds: Thresholds = Thresholds(),
    *,
    mutants: int,
    seed: int,
) -> tuple[list[Problem], dict[str, float]]:
    """Measure the tests of problems, visible and hidden ones together, and leave out problems that fall short.

    Args:
        problems: the problems to measure.
        execution: the limits of the programs.
        judge: opens the judge, who is asked about the problems that the measurements leave.
        out: the JSONL file of `ProblemQuality`, in the order of the problems; None writes none.
        thresholds: the least quality for a problem to be kept.
        mutants: the largest number of mutants of a reference.
        seed: the seed of the choice of mutants.

    Returns:
        The kept problems, and the metrics. `problems`, `dropped/<reason>`. `reference/<verdict>` (or `none`): the
        verdicts on the references. `mutants`, `killed`, and `mutation_score`, the share of all mutants that fail;
        `mutation_score/0` to `/9` count problems by tenths of their own share. `line_coverage` and `branch_coverage`:
        means over problems. `coverage/mean` (lines and branches together), with its tenths. With a judge also
        `judge/asked`, `judge/asked_again`, `judge/unreadable`, and for each criterion `<criterion>/mean` and
        `<criterion>/1` to `/5`.

    Raises:
        ExecutionError: the engine failed.
    """
    assessed: list[ProblemQuality] = []
    with open_executor(execution, PRELOAD) as executor, show_progress("validity", len(problems)) as advance:
        for _, quality in executor.each(problems, lambda problem: measure_tests(problem, executor, mutants, seed)):
            assessed.append(quality)
            advance()
    reasons = [thresholds.reason_against(item) for item in assessed]
    counts: Counter[str] = Counter()
    with judge as backend:
        if backend is not None:
            counts.update(asked=0, asked_again=0, unreadable=0)
            remaining = [position for position, reason in enumerate(reasons) if reason is None]
            scores = judge_tests((problems[position] for position in remaining), backend, counts)
            for position, score in zip(remaining, scores, strict=True):
                assessed[position] = assessed[position].model_copy(update={"judge": score})
                reasons[position] = thresholds.reason_of_judge(score)
    if out is not None:
        write_jsonl(out, assessed)
    kept = [problem for problem, reason in zip(problems, reasons, strict=True) if reason is None]
    metrics = _metrics(assessed)
    for reason, count in Counter(filter(None, reasons)).items():
        metrics[f"dropped/{reason}"] = float(count)
    for name, count in counts.items():
        metrics[f"judge/{name}"] = float(count)
    return kept, metrics


def draw_problems(
    path: Path,
    size: int,
    seed: int,
    split: str | None = None,
) -> list[Problem]:
    """Draw problems from a file in random order, so that the first ones of them are a sample, too.

    The order is that of a hash of seed and `task_id`, so that a problem stays in the sample when others come or go.
    The file is streamed.

    Args:
        path: JSONL of `Problem`.
        size: the number of problems to draw; a smaller file gives all.
        seed: the seed of the order.
        split: the split to draw from; None draws from all.

    Raises:
        RecordError: a line is broken, or repeats a task_id.
        InputError: there is no problem to draw.
    """

    def of_split() -> Iterator[Problem]:
        for problem in read_jsonl(path, Problem, unique=True):
            if split is None or problem.split == split:
                yield problem

    def order(problem: Problem) -> str:
        return sha256(f"{seed}/{problem.task_id}".encode()).hexdigest()

    drawn = heapq.nsmallest(size, of_split(), key=order)
    if not drawn:
        wanted = f"problem of the split {split!r}" if split else "problem"
        raise InputError(f"{path}: holds no {wanted}; give another file")
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
    metrics |= _means(assessed)
    for name in ("coverage", "mutation_score"):
        tenths = Counter(min(int(10 * value), 9) for value in _measured(assessed, name))
        for tenth in range(10):
            metrics[f"{name}/{tenth}"] = float(tenths[tenth])
    if mutants:
        metrics["mutation_score"] = killed / mutants
    judged = [item.judge for item in assessed if item.judge is not None]
    if judged:
        for name in CRITERIA:
            scores = [getattr(scores_of_one, name) for scores_of_one in judged]
            metrics[f"{name}/mean"] = sum(scores) / len(scores)
            for score in range(1, 6):
                metrics[f"{name}/{score}"] = float(scores.count(score))
    return metrics


def _means(assessed: Sequence[ProblemQuality]) -> dict[str, float]:
    means = {}
    names = {
        "line_coverage": "line_coverage",
        "branch_coverage": "branch_coverage",
        "coverage": "coverage/mean",
    }
    for field, name in names.items():
        values = _measured(assessed, field)
        if values:
            means[name] = sum(values) / len(values)
    return means


def _measured(assessed: Iterable[ProblemQuality], name: str) -> list[float]:
    values = [getattr(item, name) for item in assessed]
    return [value for value in values if value is not None]
