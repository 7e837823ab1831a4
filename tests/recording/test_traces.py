"""Trajectories as MLflow traces."""

from pathlib import Path

import mlflow

from iterpref_core.records import AssertTest, Attempt, Problem, Trajectory
from iterpref_core.storage.jsonl import write_jsonl
from tasks.recording.mlflow_delivery import TrackingServer, tracking_uri
from tasks.recording.traces import TRACES, log_traces, sample_traces


def attempt(iteration: int, verdict: str) -> Attempt:
    feedback = "" if verdict == "passed" else f"f(1) returned {iteration}"
    return Attempt(
        iteration=iteration,
        code=f"# version {iteration}",
        verdict=verdict,
        feedback=feedback,
        prompt_tokens=10 + iteration,
        completion_tokens=5,
    )


def test_a_sample_of_trajectories_can_be_looked_at_in_the_stages_run(workspace: Path) -> None:
    many = TRACES + 5
    tests = (AssertTest(code="assert f(1)"),)
    write_jsonl(
        workspace / "problems.jsonl",
        (Problem(task_id=f"t{n}", prompt=f"task {n}", entry_point="f", tests=tests) for n in range(many)),
    )
    attempts = (attempt(0, "wrong_answer"), attempt(1, "passed"))
    trajectories = [Trajectory(task_id=f"t{n}", solved=True, attempts=attempts) for n in range(many)]
    write_jsonl(workspace / "trajectories.jsonl", trajectories)
    server = TrackingServer(tracking_uri())
    mlflow.set_tracking_uri(server.uri)
    run = server.client.create_run(server.experiment_id).info.run_id

    logged = log_traces(server.client, run, sample_traces(Path("trajectories.jsonl"), Path("problems.jsonl")))

    found = server.client.search_traces(locations=[server.experiment_id], run_id=run, max_results=100)
    assert {trace.info.trace_id for trace in found} == set(logged)
    assert len(found) == TRACES
    trace = server.client.get_trace(logged[0])
    later = server.client.create_run(server.experiment_id).info.run_id
    log_traces(server.client, later, sample_traces(Path("trajectories.jsonl"), Path("problems.jsonl")))
    found = server.client.search_traces(locations=[server.experiment_id], run_id=later, max_results=100)
    assert len(found) == TRACES, "a process may record several experiments"
    server.client.delete_traces(server.experiment_id, trace_ids=[logged[0]])
    again = log_traces(server.client, run, sample_traces(Path("trajectories.jsonl"), Path("problems.jsonl")))
    found = server.client.search_traces(locations=[server.experiment_id], run_id=run, max_results=100)
    assert len(again) == 1, "what is delivered again is recorded once"
    assert {trace.info.trace_id for trace in found} == {*logged[1:], *again}
    root, draft, first_run, refinement, second_run = trace.data.spans
    number = trace.info.tags["task_id"].removeprefix("t")
    assert root.inputs == {"task": f"task {number}"}
    assert root.outputs == {"solved": True, "program": "# version 1"}
    assert draft.inputs == {"task": f"task {number}"}
    assert draft.get_attribute("prompt_tokens") == 10
    assert first_run.outputs == {"verdict": "wrong_answer", "feedback": "f(1) returned 0"}
    assert refinement.inputs["program"] == "# version 0"
    assert refinement.inputs["feedback"] == "f(1) returned 0"
    assert second_run.outputs["verdict"] == "passed"


def test_a_trajectory_without_a_version_is_logged_too(workspace: Path) -> None:
    problem = Problem(task_id="t", prompt="task", entry_point="f", tests=(AssertTest(code="assert f(1)"),))
    write_jsonl(workspace / "problems.jsonl", [problem])
    write_jsonl(workspace / "trajectories.jsonl", [Trajectory(task_id="t", solved=False, attempts=())])
    server = TrackingServer(tracking_uri())
    mlflow.set_tracking_uri(server.uri)
    run = server.client.create_run(server.experiment_id).info.run_id
    (logged,) = log_traces(server.client, run, sample_traces(Path("trajectories.jsonl"), Path("problems.jsonl")))
    (root,) = server.client.get_trace(logged).data.spans
    assert root.outputs == {"solved": False, "program": None}
