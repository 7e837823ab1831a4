"""Turn verdicts into a benchmark's part of results.json."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from iterpref_core.models.inference.finish_reasons import count_reasons, describe_missing
from iterpref_core.records import DataFile, DifficultyRecord, ExecutionError, GroundTruth, Incomplete, Measured

from ..benchmarks.benchmark import UNANSWERED, Benchmark, ProgramRun
from ..benchmarks.harness import Harness
from ..statistics.pass_at_k import DEFAULT_K, score_tasks
from .answer_reading import FoundPrograms, count_without_program

logger = logging.getLogger(__name__)


def summarize(harness: Harness, found: FoundPrograms, runs: Sequence[ProgramRun]) -> Measured | Incomplete:
    """Return a benchmark's part of results.json, without times, so that the same input gives the same bytes.

    A task may have several samples: `pass_at_1` is then the mean over tasks of the share that passed. `pass_at_5` (or
    another k of the benchmark) is added over the tasks that have five judged ones (`pass_at_5_n`).

    Samples with the verdict `infra_error` do not judge a program: they are counted under `errors` and otherwise
    left out. Missing answers leave bounds instead of a score.

    Args:
        harness: the benchmark's, which has run the programs.
        found: the programs.
        runs: their outcomes.

    Raises:
        ExecutionError: no sample has been scored.
    """
    benchmark = harness.benchmark
    outcomes = [(sample.task_id, run) for sample, run in zip(found.samples, runs, strict=True)]
    # A missing answer counts as a sample of its task, with a verdict of its own.
    for task, reason in found.missing:
        outcomes.append((task.task_id, ProgramRun(UNANSWERED, f"no answer: {reason}", "", 0.0)))
    # Verdicts by task: {"mbpp/2": ["passed", "timeout"]}.
    verdicts: dict[str, list[str]] = {}
    feedback: dict[str, list[str]] = {}
    for task_id, run in outcomes:
        verdicts.setdefault(task_id, []).append(run.verdict)
        feedback.setdefault(task_id, []).append(run.feedback)
    errors = _count(run.verdict for _, run in outcomes if run.verdict != "passed")
    score = score_tasks(verdicts, k=benchmark.k)
    data_name, data_sha256 = benchmark.data
    if score is None:
        raise ExecutionError(f"{data_name}: no program could be scored ({errors})")
    failed = {task_id: run for task_id, run in benchmark.canonical.items() if run.verdict != "passed"}
    fields: dict[str, Any] = {
        "errors": errors,
        "exceptions": _count(run.exception for _, run in outcomes if run.exception),
        "passed": [task_id for task_id, of_task in verdicts.items() if "passed" in of_task],
        "verdicts": verdicts,
        "feedback": {task_id: texts for task_id, texts in feedback.items() if any(texts)},
        "data": DataFile(name=data_name, sha256=data_sha256),
        "harness": benchmark.harness,
        "limits": benchmark.limits,
        "isolation": harness.executor.isolation,
        "inside": len({task_id for task_id, run in outcomes if run.inside}) or None,
        "ground_truth": _ground_truth(benchmark.canonical, failed),
        "truncated": None if found.truncated is None else sum(found.truncated),
        "answers": {**count_without_program(benchmark, found, runs), **found.counts},
        "limit": benchmark.limit,
        "window": benchmark.window,
        **found.about,
    }
    # Missing answers leave bounds instead of a score.
    if found.missing:
        reasons = [reason for _, reason in found.missing]
        return Incomplete.model_validate(fields | _bounds(verdicts, reasons, len(outcomes)))
    for k in benchmark.k:
        if k not in DEFAULT_K and k not in score.of_other_k:
            logger.warning("%s: no pass@%s: no task has %s judged samples (evaluation.samples)", benchmark.name, k, k)
    fields["by_difficulty"] = _by_difficulty(benchmark, verdicts) or None
    return Measured.model_validate({"available": True, **fields, **score.model_dump()})


def _bounds(
    verdicts: Mapping[str, list[str]],
    missing: Sequence[str],
    total: int,
) -> dict[str, Any]:
    """Return the text that takes the place of a score where answers are missing."""
    scores = []
    # The lower bound fails every missing answer, and the upper bound passes it.
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
    }


def _ground_truth(
    canonical: Mapping[str, ProgramRun],
    failed: Mapping[str, ProgramRun],
) -> GroundTruth | None:
    """Return the numbers of a benchmark's canonical solutions, and the failed ones with their reasons."""
    if not canonical:
        return None
    reasons = {task_id: run.feedback for task_id, run in failed.items() if run.feedback}
    passed = len(canonical) - len(failed)
    return GroundTruth(
        n=len(canonical),
        passed=passed,
        failed=tuple(failed),
        reasons=reasons or None,
    )


def _by_difficulty(
    benchmark: Benchmark[Any],
    verdicts: Mapping[str, list[str]],
) -> dict[str, DifficultyRecord]:
    """Return tasks and scores by difficulty; empty if tasks have none, or none could be scored."""
    groups: dict[str, dict[str, list[str]]] = {}
    # Group the verdicts of LiveCodeBench by easy, medium and hard.
    for task_id, outcomes in verdicts.items():
        if difficulty := benchmark.difficulty(benchmark.tasks[task_id]):
            groups.setdefault(difficulty, {})[task_id] = outcomes
    records = {}
    for difficulty, group in groups.items():
        if score := score_tasks(group, k=benchmark.k):
            records[difficulty] = DifficultyRecord.model_validate(score.model_dump() | {"tasks": tuple(group)})
    return records


def _count(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
