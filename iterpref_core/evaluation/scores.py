"""Scores: from verdicts to an entry of results.json."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iterpref_core.benchmarks.benchmark import Benchmark, ProgramRun
from iterpref_core.errors import ExecutionError
from iterpref_core.records import UNDECIDED, Sample, Verdict
from iterpref_core.statistics.pass_at_k import score_tasks

Entry = dict[str, Any]
"""One benchmark's part of results.json: JSON values without times, so that the same input gives the same bytes."""


@dataclass(frozen=True)
class Evaluated:
    """A benchmark's entry, and the programs behind it."""

    entry: Entry
    samples: tuple[Sample, ...]


def mark_truncated(run: ProgramRun) -> ProgramRun:
    """Return the outcome of a sample whose answer ended at `max_new_tokens`: `truncated`, if the program was judged."""
    if run.verdict in UNDECIDED:
        return run
    return run._replace(verdict="truncated", exception="")


def make_entry(
    benchmark: Benchmark[Any],
    samples: Sequence[Sample],
    runs: Sequence[ProgramRun],
    own_runs: Mapping[str, ProgramRun],
) -> Entry:
    """Summarize the outcomes of samples.

    A task may have several samples: `pass_at_1` is then the mean over tasks of the share that passed. `pass_at_5` (or
    another k of the benchmark) is added over the tasks that have five judged ones (`pass_at_5_n`). `passed` names the
    tasks of which a sample passed. With several samples the intervals are bootstrapped over tasks.

    Samples with the verdict `infra_error` say nothing about a program: they are counted under `errors` and otherwise
    left out. `verdicts` has all verdicts by task, so that scores of a part of the tasks can be had later. `feedback`
    has the feedback on each sample of the tasks with one that failed. `exceptions` counts the failures by the type that
    was raised. Where solutions of the benchmark itself fail, `without_failed_truth` has the scores of the other tasks.

    Args:
        benchmark: the suite.
        samples: the samples.
        runs: the outcome of each sample.
        own_runs: task_id → the outcome of the benchmark's own solution.

    Raises:
        ExecutionError: no sample has been scored.
    """
    verdicts = _by_task(samples, [run.verdict for run in runs])
    feedback = _by_task(samples, [run.feedback for run in runs])
    errors = _count(run.verdict for run in runs if run.verdict != "passed")
    score = score_tasks(verdicts, k=benchmark.k)
    data_name, data_sha256 = benchmark.data
    if score is None:
        raise ExecutionError(f"{data_name}: no program could be scored ({errors})")
    entry: Entry = {
        "available": True,
        **score.to_json(),
        "errors": errors,
        "exceptions": _count(run.exception for run in runs if run.exception),
        "passed": [task_id for task_id, outcomes in verdicts.items() if "passed" in outcomes],
        "verdicts": verdicts,
        "feedback": {task_id: texts for task_id, texts in feedback.items() if any(texts)},
        "data": {"name": data_name, "sha256": data_sha256},
        "harness": benchmark.harness,
        "limits": benchmark.limits,
    }
    if own_runs:
        failed = {task_id: run for task_id, run in own_runs.items() if run.verdict != "passed"}
        entry["ground_truth"] = _ground_truth(own_runs, failed)
        # A task whose own solution fails here, such as for want of a library, says nothing about the model.
        trusted = score_tasks(verdicts, failed, benchmark.k) if failed else None
        if trusted is not None:
            entry["without_failed_truth"] = trusted.to_json()
    by_difficulty = _by_difficulty(benchmark, verdicts)
    if by_difficulty:
        entry["by_difficulty"] = by_difficulty
    return entry


def _ground_truth(own_runs: Mapping[str, ProgramRun], failed: Mapping[str, ProgramRun]) -> Entry:
    """Return the numbers of a benchmark's own solutions, and the tasks whose solutions failed, with the reasons."""
    truth: Entry = {
        "n": len(own_runs),
        "passed": len(own_runs) - len(failed),
        "failed": list(failed),
    }
    reasons = {task_id: run.feedback for task_id, run in failed.items() if run.feedback}
    if reasons:
        truth["reasons"] = reasons
    return truth


def _by_difficulty(benchmark: Benchmark[Any], verdicts: Mapping[str, list[Verdict]]) -> Entry:
    """Return tasks and scores by difficulty; empty if tasks have none, or none could be scored."""
    groups: dict[str, dict[str, list[Verdict]]] = {}
    for task_id, outcomes in verdicts.items():
        task = benchmark.tasks[task_id]
        difficulty = benchmark.difficulty(task)
        if difficulty:
            group = groups.setdefault(difficulty, {})
            group[task_id] = outcomes
    entries = {}
    for difficulty, group in groups.items():
        score = score_tasks(group, k=benchmark.k)
        if score is not None:
            entries[difficulty] = score.to_json() | {"tasks": list(group)}
    return entries


def _by_task(samples: Sequence[Sample], values: Sequence[Any]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for sample, value in zip(samples, values, strict=True):
        grouped.setdefault(sample.task_id, []).append(value)
    return grouped


def _count(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def metrics_of(benchmark: str, entry: Entry) -> dict[str, float]:
    """Return the numbers of a benchmark's entry, under names that MLflow accepts.

    >>> metrics_of("mbpp+", {"n": 4, "pass_at_1": 0.5, "ci95": [0.25, 0.75]})["mbpp_plus/pass_at_1"]
    0.5
    """
    name = benchmark.replace("+", "_plus")
    low, high = entry["ci95"]
    numbers = {
        "pass_at_1": entry["pass_at_1"],
        "ci95_low": low,
        "ci95_high": high,
        "n": float(entry["n"]),
    }
    for key, value in entry.items():
        if re.fullmatch(r"pass_at_\d+", key):
            numbers[key] = value
    return {f"{name}/{key}": value for key, value in numbers.items()}
