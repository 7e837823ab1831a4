"""Stage `validity`: how much the tests that CodeFlow works with demand, on a sample. Nothing is dropped for it."""

from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from iterpref_core.config import ExecutionParams, ValidityParams
from iterpref_core.execution import open_executor
from iterpref_core.inference.backend import Backend
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.validity.distributions import of_shares
from iterpref_core.validity.mutation_score import PRELOAD, ProblemQuality, QualityOptions, measure_quality
from iterpref_core.validity.problem_sample import draw_problems
from iterpref_core.validity.test_judge import Scores, judge_tests, score_metrics

SPLIT = "codeflow"
_SHARES = ("coverage", "mutation_score")
_MEANS = ("line_coverage", "branch_coverage")


class ProblemValidity(ProblemQuality):
    """What was measured of one problem's tests, and what the judge says; nothing where it was not asked or not read."""

    judge: Scores | None = None


def measure_validity(
    problems: Path,
    params: ValidityParams,
    execution: ExecutionParams,
    judge: AbstractContextManager[Backend | None],
    out: Path,
) -> dict[str, float]:
    """Measure the tests of a sample of the problems that CodeFlow gets, visible and hidden ones together.

    Args:
        problems: JSONL of `Problem`.
        params: how many problems and mutants.
        execution: limits of the programs that are run.
        judge: opens the model that scores the tests, after all else is measured; None where there is none.
        out: where to write JSONL of `ProblemValidity`, in the order in which the problems were drawn.

    Returns:
        `problems`; `reference/<verdict>` (or `none`) of their references; `mutants` and `killed`; the means
        `line_coverage` and `branch_coverage`; `coverage/mean` (lines and branches together) and `mutation_score/mean`
        with their tenths `/0` to `/9`. With a judge also `judge/asked`, `judge/asked_again`, `judge/unreadable` and, of
        each criterion, `<criterion>/mean` and `<criterion>/1` to `/5`.

    Raises:
        RecordError: a broken line.
        InputError: there is no problem to measure.
        ExecutionError: the engine failed.
    """
    drawn = draw_problems(problems, params.sample, params.seed, SPLIT)
    found = _measure(drawn, params, execution)
    counts: Counter[str] = Counter()
    with judge as backend:
        if backend is not None:
            counts.update(asked=0, asked_again=0, unreadable=0)
            scores = judge_tests(drawn, backend, counts)
            found = [item.model_copy(update={"judge": score}) for item, score in zip(found, scores, strict=True)]
    write_jsonl(out, found)
    asked = {f"judge/{name}": float(count) for name, count in counts.items()}
    judged = [item.judge for item in found if item.judge is not None]
    return _metrics(found) | asked | (score_metrics(judged) if asked else {})


def _measure(drawn: list[Problem], params: ValidityParams, execution: ExecutionParams) -> list[ProblemValidity]:
    options = QualityOptions(max_mutants=params.mutants, seed=params.seed)
    found = []
    with open_executor(execution, PRELOAD) as executor, show_progress("validity", len(drawn)) as advance:
        for _, quality in measure_quality(drawn, executor, options):
            found.append(ProblemValidity(**dict(quality)))
            advance(1)
    return found


def _metrics(found: list[ProblemValidity]) -> dict[str, float]:
    references = Counter(item.reference or "none" for item in found)
    counts = {"problems": len(found), "mutants": sum(f.mutants for f in found), "killed": sum(f.killed for f in found)}
    metrics = {name: float(count) for name, count in counts.items()}
    metrics |= {f"reference/{verdict}": float(count) for verdict, count in sorted(references.items())}
    for name in _MEANS:
        if values := _measured(found, name):
            metrics[name] = sum(values) / len(values)
    for name in _SHARES:
        metrics |= of_shares(name, _measured(found, name))
    return metrics


def _measured(found: Iterable[ProblemValidity], name: str) -> list[float]:
    return [value for item in found if (value := getattr(item, name)) is not None]
