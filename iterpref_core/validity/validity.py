"""Stage `validity`: how much the tests of problems demand, and what a judge says of them."""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from iterpref_core.config import ExecutionParams, ValidityParams
from iterpref_core.errors import InputError
from iterpref_core.execution import open_executor
from iterpref_core.inference.backend import Model
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.validity.mutation_score import PRELOAD, ProblemQuality, measure_tests
from iterpref_core.validity.test_judge import CRITERIA, Scores, judge_tests

SPLIT = "codeflow"

Judge = AbstractContextManager[Model | None]
"""Opens the model that scores tests, after all else is measured; None where there is none."""


@dataclass(frozen=True)
class Thresholds:
    """What the tests of a problem must reach to be kept; None demands nothing.

    Attributes:
        coverage: of lines and branches together, 0 to 1.
        mutation_score: share of the problem's mutants that fail, 0 to 1.
        judge: score in each criterion, 1 to 5.
    """

    coverage: float | None = None
    mutation_score: float | None = None
    judge: int | None = None

    def reason_against(self, problem: ProblemQuality) -> str | None:
        """Why a problem is to be dropped for what was measured; None if it is not."""
        if self.coverage is None and self.mutation_score is None:
            return None
        if problem.reference != "passed":
            return "no_reference" if problem.reference is None else "reference_fails"
        if self.coverage is not None and (problem.coverage is None or problem.coverage < self.coverage):
            return "not_measurable" if problem.coverage is None else "low_coverage"
        score = 1.0 if problem.mutation_score is None else problem.mutation_score
        return "low_mutation_score" if self.mutation_score is not None and score < self.mutation_score else None

    def reason_of_judge(self, scores: Scores | None) -> str | None:
        """Why a problem is to be dropped for its scores, the first criterion that falls short."""
        if self.judge is None:
            return None
        if scores is None:
            return "unreadable"
        return next((f"low_{name}" for name in CRITERIA if getattr(scores, name) < self.judge), None)


def measure_validity(
    problems: Path, params: ValidityParams, execution: ExecutionParams, judge: Judge, out: Path
) -> dict[str, float]:
    """Measure the tests of a sample of the problems that CodeFlow gets. Nothing is dropped for it.

    Args:
        problems: JSONL of `Problem`.
        params: how many problems and mutants.
        execution: limits of the programs that are run.
        judge: opens the judge.
        out: where to write JSONL of `ProblemQuality`, in the order in which the problems were drawn.

    Returns:
        As `assess_tests`, without thresholds.

    Raises:
        RecordError: a broken line.
        InputError: there is no problem to measure.
        ExecutionError: the engine failed.
    """
    drawn = draw_problems(problems, params.sample, params.seed, SPLIT)
    _, metrics = assess_tests(drawn, execution, judge, out, mutants=params.mutants, seed=params.seed)
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
    """Measure the tests of problems, visible and hidden ones together, and leave out those that fall short.

    Args:
        problems: any number.
        execution: limits of the programs that are run.
        judge: opens the judge, which is asked about the problems that what was measured leaves.
        out: where to write JSONL of `ProblemQuality`, in the order of the problems; None for nowhere.
        thresholds: what a problem must reach to be kept.
        mutants: of each reference, at most.
        seed: decides which.

    Returns:
        The problems that are kept; and `problems`, `dropped/<reason>`; `reference/<verdict>` (or `none`) of their
        references; `mutants`, `killed` and `mutation_score`, the share of all mutants that fail, with the problems in
        each tenth of their own share, `mutation_score/0` to `/9`; the means over problems `line_coverage` and
        `branch_coverage`; `coverage/mean` (lines and branches together) with its tenths. With a judge also
        `judge/asked`, `judge/asked_again`, `judge/unreadable` and, of each criterion, `<criterion>/mean` and
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
            places = [place for place, reason in enumerate(reasons) if reason is None]
            scores = judge_tests((problems[place] for place in places), backend, counts)
            for place, score in zip(places, scores, strict=True):
                assessed[place] = assessed[place].model_copy(update={"judge": score})
                reasons[place] = thresholds.reason_of_judge(score)
    if out is not None:
        write_jsonl(out, assessed)
    kept = [problem for problem, reason in zip(problems, reasons, strict=True) if reason is None]
    dropped = {f"dropped/{reason}": float(count) for reason, count in Counter(filter(None, reasons)).items()}
    asked = {f"judge/{name}": float(count) for name, count in counts.items()}
    return kept, _metrics(assessed) | dropped | asked


def draw_problems(path: Path, size: int, seed: int, split: str | None = None) -> list[Problem]:
    """Draw problems from a file without holding it, in random order: the first of them are a sample, too.

    The order is that of a hash of seed and `task_id`, so that a problem stays in the sample when others come or go.

    Args:
        path: JSONL of `Problem`.
        size: how many; all of them where there are fewer.
        seed: decides which.
        split: of this split alone; None for all.

    Raises:
        RecordError: a line is broken, or repeats a task_id.
        InputError: there is no problem to draw.
    """
    wanted = (item for item in read_jsonl(path, Problem, unique=True) if split in (None, item.split))
    drawn = heapq.nsmallest(size, wanted, key=lambda item: sha256(f"{seed}/{item.task_id}".encode()).hexdigest())
    if not drawn:
        raise InputError(f"{path}: holds no problem{f' of the split {split!r}' if split else ''}; give another file")
    return drawn


def _metrics(assessed: Sequence[ProblemQuality]) -> dict[str, float]:
    mutants, killed = sum(item.mutants for item in assessed), sum(item.killed for item in assessed)
    metrics = {"problems": float(len(assessed)), "mutants": float(mutants), "killed": float(killed)}
    references = Counter(item.reference or "none" for item in assessed)
    metrics |= {f"reference/{verdict}": float(count) for verdict, count in sorted(references.items())}
    for name, mean in (("line_coverage",) * 2, ("branch_coverage",) * 2, ("coverage", "coverage/mean")):
        if values := _measured(assessed, name):
            metrics[mean] = sum(values) / len(values)
    for name in ("coverage", "mutation_score"):
        tenths = Counter(min(int(10 * value), 9) for value in _measured(assessed, name))
        metrics |= {f"{name}/{tenth}": float(tenths[tenth]) for tenth in range(10)}
    if mutants:
        metrics["mutation_score"] = killed / mutants
    for name in CRITERIA if any(item.judge for item in assessed) else ():
        scores = [getattr(item.judge, name) for item in assessed if item.judge is not None]
        metrics[f"{name}/mean"] = sum(scores) / len(scores)
        metrics |= {f"{name}/{score}": float(scores.count(score)) for score in range(1, 6)}
    return metrics


def _measured(assessed: Iterable[ProblemQuality], name: str) -> list[float]:
    return [value for item in assessed if (value := getattr(item, name)) is not None]
