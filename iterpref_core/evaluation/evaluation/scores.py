"""Scores: from verdicts to a benchmark's part of results.json."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import UNANSWERED, Benchmark, ProgramRun
from iterpref_core.evaluation.statistics.pass_at_k import score_tasks
from iterpref_core.execution import UNCHECKED
from iterpref_core.models.inference.ends import count_reasons, describe_missing
from iterpref_core.records import UNDECIDED, Sample
from iterpref_core.records.errors import ExecutionError
from iterpref_core.records.results import (
    DataFile,
    DifficultyRecord,
    GroundTruth,
    Incomplete,
    Measured,
    ScoreRecord,
    metric_name,
)


@dataclass(frozen=True)
class Evaluated:
    """A benchmark's result, and the programs behind it."""

    result: Measured | Incomplete
    samples: tuple[Sample, ...]


def unanswered_run(reason: str) -> ProgramRun:
    """Return what stands for the outcome of a sample that has no answer."""
    return ProgramRun(UNANSWERED, f"no answer: {reason}", "", 0.0)


def mark_truncated(run: ProgramRun) -> ProgramRun:
    """Return the outcome of a sample whose answer ended at `max_new_tokens`: `truncated`, if the program was judged."""
    if run.verdict in UNDECIDED:
        return run
    return run._replace(verdict="truncated", exception="")


def make_result(
    benchmark: Benchmark[Any],
    tasks: Sequence[str],
    runs: Sequence[ProgramRun],
    canonical_runs: Mapping[str, ProgramRun],
    isolation: str,
    missing: Sequence[str] = (),
    **further: Any,
) -> Measured | Incomplete:
    """Summarize the outcomes of samples, without times, so that the same input gives the same bytes.

    A task may have several samples: `pass_at_1` is then the mean over tasks of the share that passed. `pass_at_5` (or
    another k of the benchmark) is added over the tasks that have five judged ones (`pass_at_5_n`). With several samples
    the intervals are bootstrapped over tasks.

    Samples with the verdict `infra_error` say nothing about a program: they are counted under `errors` and otherwise
    left out. Where answers are missing there is no score, but the bounds of one.

    Args:
        benchmark: the suite.
        tasks: the task_id of each sample.
        runs: the outcome of each sample.
        canonical_runs: task_id → the outcome of the benchmark's canonical solution.
        isolation: the isolation under which the programs ran.
        missing: why answers are missing, one reason for each.
        further: fields of `Measured` on how the programs were found.

    Raises:
        ExecutionError: no sample has been scored.
    """
    verdicts = _by_task(tasks, [run.verdict for run in runs])
    feedback = _by_task(tasks, [run.feedback for run in runs])
    errors = _count(run.verdict for run in runs if run.verdict != "passed")
    score = score_tasks(verdicts, k=benchmark.k)
    data_name, data_sha256 = benchmark.data
    if score is None:
        raise ExecutionError(f"{data_name}: no program could be scored ({errors})")
    ground_truth = None
    without_failed_truth = None
    if canonical_runs:
        failed = {task_id: run for task_id, run in canonical_runs.items() if run.verdict != "passed"}
        ground_truth = _ground_truth(canonical_runs, failed)
        # A task whose canonical solution fails here, such as for want of a library, says nothing about the model.
        without_failed_truth = score_tasks(verdicts, failed, benchmark.k) if failed else None
    fields = score.model_dump() | {
        "available": True,
        "errors": errors,
        "exceptions": _count(run.exception for run in runs if run.exception),
        "passed": tuple(task_id for task_id, outcomes in verdicts.items() if "passed" in outcomes),
        "verdicts": verdicts,
        "feedback": {task_id: texts for task_id, texts in feedback.items() if any(texts)},
        "data": DataFile(name=data_name, sha256=data_sha256),
        "harness": benchmark.harness,
        "limits": benchmark.limits,
        "isolation": isolation,
        "judged_inside": len({task for task, run in zip(tasks, runs, strict=True) if run.inside}) or None,
        "unchecked": sum(run.inside == UNCHECKED for run in runs) or None,
        "ground_truth": ground_truth,
        "without_failed_truth": without_failed_truth,
        "by_difficulty": _by_difficulty(benchmark, verdicts) or None,
    }
    if missing:
        fields |= _bounds(verdicts, missing, len(tasks))
        return Incomplete.model_validate(fields | further)
    return Measured.model_validate(fields | further)


def _bounds(verdicts: Mapping[str, list[str]], missing: Sequence[str], total: int) -> dict[str, Any]:
    """Return what stands in place of a score where answers are missing."""
    scores = []
    for instead in ("wrong_answer", "passed"):
        filled = {task: [instead if each == UNANSWERED else each for each in all_] for task, all_ in verdicts.items()}
        score = score_tasks(filled)
        assert score is not None
        scores.append(score)
    low, high = scores
    bounds = (low.pass_at_1, high.pass_at_1)
    return {
        "available": False,
        "reason": f"pass@1 is between {bounds[0]:.1%} and {bounds[1]:.1%}: {describe_missing(missing, total)}",
        "n": low.n,
        "missing": count_reasons(missing),
        "pass_at_1_bounds": bounds,
        "ci95": (low.ci95[0], high.ci95[1]),
        "without_failed_truth": None,
        "by_difficulty": None,
    }


def _ground_truth(canonical_runs: Mapping[str, ProgramRun], failed: Mapping[str, ProgramRun]) -> GroundTruth:
    """Return the numbers of a benchmark's canonical solutions, and those that failed, with the reasons."""
    reasons = {task_id: run.feedback for task_id, run in failed.items() if run.feedback}
    return GroundTruth(
        n=len(canonical_runs),
        passed=len(canonical_runs) - len(failed),
        failed=tuple(failed),
        reasons=reasons or None,
    )


def _by_difficulty(benchmark: Benchmark[Any], verdicts: Mapping[str, list[str]]) -> dict[str, DifficultyRecord]:
    """Return tasks and scores by difficulty; empty if tasks have none, or none could be scored."""
    groups: dict[str, dict[str, list[str]]] = {}
    for task_id, outcomes in verdicts.items():
        task = benchmark.tasks[task_id]
        difficulty = benchmark.difficulty(task)
        if difficulty:
            group = groups.setdefault(difficulty, {})
            group[task_id] = outcomes
    records = {}
    for difficulty, group in groups.items():
        score = score_tasks(group, k=benchmark.k)
        if score is not None:
            records[difficulty] = DifficultyRecord.model_validate(score.model_dump() | {"tasks": tuple(group)})
    return records


def _by_task(tasks: Sequence[str], values: Sequence[Any]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for task_id, value in zip(tasks, values, strict=True):
        grouped.setdefault(task_id, []).append(value)
    return grouped


def _count(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def metrics_of(benchmark: str, result: ScoreRecord | Incomplete) -> dict[str, float]:
    """Return the scores of a benchmark's result, under names that MLflow accepts.

    Where answers are missing: their number, and the bounds of the score.

    >>> metrics_of("mbpp+", ScoreRecord(n=4, pass_at_1=0.5, ci95=(0.25, 0.75)))["mbpp_plus/pass_at_1"]
    0.5
    """
    name = metric_name(benchmark)
    low, high = result.ci95
    numbers = {"ci95_low": low, "ci95_high": high, "n": float(result.n)}
    if isinstance(result, Incomplete):
        numbers["missing"] = float(sum(result.missing.values()))
        numbers["pass_at_1_low"], numbers["pass_at_1_high"] = result.pass_at_1_bounds
    else:
        numbers |= {"pass_at_1": result.pass_at_1, **result.of_other_k}
    return {f"{name}/{key}": value for key, value in numbers.items()}
