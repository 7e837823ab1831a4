"""Scores: from verdicts to an entry of results.json."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from iterpref_core.errors import ExecutionError
from iterpref_core.evaluation.program_runs import ProgramRun
from iterpref_core.execution.feedback import exception_type
from iterpref_core.records import UNDECIDED, Sample, Verdict
from iterpref_core.statistics.pass_at_k import score_tasks

Entry = dict[str, Any]
"""One benchmark's part of results.json: JSON values without times, so that the same input gives the same bytes."""


@dataclass(frozen=True)
class GroundTruth:
    """What the benchmark's own solutions score; anything but all of them makes the benchmark's numbers doubtful."""

    n: int
    passed: int
    failed: tuple[str, ...]

    @classmethod
    def of(cls, verdicts: Iterable[tuple[str, Verdict]]) -> "GroundTruth":
        """From (task_id, verdict) of every task's own solution."""
        verdict_of = dict(verdicts)
        failed = tuple(task_id for task_id, verdict in verdict_of.items() if verdict != "passed")
        return cls(len(verdict_of), len(verdict_of) - len(failed), failed)

    def to_json(self) -> dict[str, Any]:
        """As it stands in results.json."""
        return {"n": self.n, "passed": self.passed, "failed": list(self.failed)}


@dataclass(frozen=True)
class Provenance:
    """How verdicts came about.

    `data` is (name, sha256); `sampling` is None where nothing was sampled; `truncated` says of each sample whether its
    answer ended at `max_new_tokens`.
    """

    data: tuple[str, str]
    harness: str
    limits: dict[str, Any]
    isolation: str
    ground_truth: GroundTruth | None
    sampling: dict[str, Any] | None
    truncated: Sequence[bool] = ()


@dataclass(frozen=True)
class Evaluated:
    """A benchmark's entry, and the programs behind it."""

    entry: Entry
    samples: tuple[Sample, ...]


def make_entry(samples: Sequence[Sample], runs: Sequence[ProgramRun], provenance: Provenance) -> Entry:
    """Summarize what became of samples.

    A task may have several samples: `pass_at_1` is then the mean over tasks of the share that passed, `pass_at_5` is
    added over the tasks that have five judged ones (`pass_at_5_n`), and `passed` names the tasks of which a sample
    passed. With several samples the intervals are bootstrapped over tasks. Samples with the verdict `infra_error` say
    nothing about a program: they are counted under `errors` and otherwise left out. `verdicts` has all of them by task,
    so that scores of a part of the tasks can be had later, and `feedback` what is to be said about each, of tasks with
    a sample that failed. `exceptions` counts the failures by what was raised. An answer that was cut and does not pass
    has the verdict `truncated`, whatever its beginning did, and `truncated` counts the answers that were cut. Where
    solutions of the benchmark itself fail, `without_failed_truth` has the scores of the other tasks.

    Args:
        samples: the samples.
        runs: what became of each.
        provenance: how that came about.

    Raises:
        ExecutionError: no sample has been scored.
    """
    if provenance.truncated:
        runs = [_as_answered(run, cut) for run, cut in zip(runs, provenance.truncated, strict=True)]
    errors = Counter(run.verdict for run in runs if run.verdict != "passed")
    by_task: defaultdict[str, list[Verdict]] = defaultdict(list)
    feedback: defaultdict[str, list[str]] = defaultdict(list)
    for sample, run in zip(samples, runs, strict=True):
        by_task[sample.task_id].append(run.verdict)
        feedback[sample.task_id].append(run.feedback)
    raised = Counter(name for run in runs if (name := exception_type(run.verdict, run.feedback)) is not None)
    score = score_tasks(by_task)
    if score is None:
        raise ExecutionError(f"{provenance.data[0]}: no program could be scored ({dict(errors)})")
    entry: Entry = {
        "available": True,
        **score.to_json(),
        "errors": dict(sorted(errors.items())),
        "exceptions": dict(sorted(raised.items())),
        "passed": [task_id for task_id, found in by_task.items() if "passed" in found],
        "verdicts": dict(by_task),
        "feedback": {task_id: texts for task_id, texts in feedback.items() if any(texts)},
        "data": dict(zip(("name", "sha256"), provenance.data, strict=True)),
        "harness": provenance.harness,
        "limits": provenance.limits,
        "isolation": provenance.isolation,
    }
    if provenance.sampling is not None:
        entry |= {"sampling": provenance.sampling, "truncated": sum(provenance.truncated)}
    truth = provenance.ground_truth
    if truth is not None:
        entry["ground_truth"] = truth.to_json()
        trusted = score_tasks(by_task, truth.failed) if truth.failed else None
        if trusted is not None:
            entry["without_failed_truth"] = trusted.to_json()
    return entry


def _as_answered(run: ProgramRun, cut: bool) -> ProgramRun:
    return run._replace(verdict="truncated") if cut and run.verdict not in UNDECIDED else run


def metrics_of(benchmark: str, entry: Entry) -> dict[str, float]:
    """The numbers of an entry under names that MLflow accepts; none if the benchmark is not available.

    >>> metrics_of("mbpp+", {"available": True, "n": 4, "pass_at_1": 0.5, "ci95": [0.25, 0.75]})["mbpp_plus/pass_at_1"]
    0.5
    """
    if not entry["available"]:
        return {}
    name = benchmark.replace("+", "_plus")
    low, high = entry["ci95"]
    metrics = {
        f"{name}/pass_at_1": entry["pass_at_1"],
        f"{name}/ci95_low": low,
        f"{name}/ci95_high": high,
        f"{name}/n": float(entry["n"]),
    }
    return metrics | ({f"{name}/pass_at_5": entry["pass_at_5"]} if "pass_at_5" in entry else {})
