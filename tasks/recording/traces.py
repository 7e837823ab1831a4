"""MLflow traces of a sample of the trajectories: each version, its cost and what its execution said."""

import heapq
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LiveSpan, SpanType
from mlflow.tracing.constant import TraceMetadataKey

from iterpref_core.records import Attempt, Problem, Record, Trajectory
from iterpref_core.storage.jsonl import read_jsonl

TRACES = 20
"""Trajectories that a run shows: those whose task_ids have the smallest hashes, so that nobody picks them."""


class TraceSample(Record):
    """A trajectory that is shown, and the task it is about."""

    trajectory: Trajectory
    prompt: str


def sample_traces(trajectories: Path, problems: Path) -> list[TraceSample]:
    """The trajectories that a run shows. Both files, of Trajectory and Problem records, are streamed."""
    chosen = heapq.nsmallest(TRACES, read_jsonl(trajectories, Trajectory), key=_draw)
    wanted = {trajectory.task_id for trajectory in chosen}
    prompts = {
        problem.task_id: problem.prompt for problem in read_jsonl(problems, Problem) if problem.task_id in wanted
    }
    return [TraceSample(trajectory=item, prompt=prompts[item.task_id]) for item in chosen]


def log_traces(client: MlflowClient, run_id: str, sample: Iterable[TraceSample]) -> list[str]:
    """Log those of a sample of a stage's trajectories that its run has no trace of yet; returns their ids.

    The records hold no times, so that the same input gives the same bytes: all spans of a trace are of the moment it
    was logged, and only their order means something.
    """
    experiment_id = client.get_run(run_id).info.experiment_id
    known = client.search_traces(locations=[experiment_id], run_id=run_id, max_results=TRACES, include_spans=False)
    there = {trace.info.tags["task_id"] for trace in known}  # of a process that was killed before it noted them as sent
    ids = [
        _log_trace(item.trajectory, item.prompt, run_id, experiment_id)
        for item in sample
        if item.trajectory.task_id not in there
    ]
    mlflow.flush_trace_async_logging(terminate=True)  # else it is flushed, loudly, when the process ends
    mlflow.tracing.reset()  # what was ended takes no trace of the process's next run
    return ids


def _draw(trajectory: Trajectory) -> str:
    return sha256(trajectory.task_id.encode()).hexdigest()


def _log_trace(trajectory: Trajectory, prompt: str, run_id: str, experiment_id: str) -> str:
    root = mlflow.start_span_no_context(
        name=f"codeflow {trajectory.task_id}",
        span_type=SpanType.AGENT,
        inputs={"task": prompt},
        tags={"task_id": trajectory.task_id, "solved": str(trajectory.solved)},
        metadata={TraceMetadataKey.SOURCE_RUN: run_id},
        experiment_id=experiment_id,
    )
    _log_attempts(root, prompt, trajectory.attempts)
    last = trajectory.attempts[-1] if trajectory.attempts else None
    root.end(outputs={"solved": trajectory.solved, "program": last.code if last else None})
    return str(root.trace_id)


def _log_attempts(root: LiveSpan, prompt: str, attempts: Iterable[Attempt]) -> None:
    before: Attempt | None = None
    for attempt in attempts:
        asked = {"task": prompt} | ({"program": before.code, "feedback": before.feedback} if before else {})
        name = f"version {attempt.iteration}"
        answer = mlflow.start_span_no_context(name=name, span_type=SpanType.LLM, parent_span=root, inputs=asked)
        answer.set_attributes({"prompt_tokens": attempt.prompt_tokens, "completion_tokens": attempt.completion_tokens})
        answer.end(outputs={"program": attempt.code})
        execution = mlflow.start_span_no_context(
            name="execution", span_type=SpanType.TOOL, parent_span=root, inputs={"program": attempt.code}
        )
        execution.end(outputs={"verdict": attempt.verdict, "feedback": attempt.feedback})
        before = attempt
