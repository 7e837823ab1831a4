"""Rows: an entry as runs of MLflow.

A run for each command; nested in it one for each stage that was executed in it. A run is found by its key, so that a
row that is written again is there once. Weights and data stay in DVC: a model in MLflow is a pointer to DVC's digest.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.dotted_keys import flatten
from tasks.dvc.lock import Artifact
from tasks.mlflow.command import Command
from tasks.mlflow.entry import Entry
from tasks.mlflow.finished_stage import FinishedStage
from tasks.mlflow.server import Point, Server
from tasks.paths import INGESTED, MODELS, PROBLEMS, REPORTS, RESULTS

PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"
"""Tags: the run that a run is nested in, and its description."""
_DATA = (PROBLEMS.parent.name, INGESTED.name, RESULTS.name)
"""Folders of data. Other inputs are code, which the commit names, and models, which have entries of their own."""


def send(server: Server, entry: Entry, folder: Path | None) -> None:
    """Write an entry to MLflow. Runs that the user has deleted there stay deleted.

    Args:
        server: the tracking server.
        entry: the entry.
        folder: the checkout or worktree with the command's report, if it is there.
    """
    command = entry.command
    run = server.open_run(command.key, command.name, entry.started, command.tags)
    if run.info.lifecycle_stage == "deleted":
        return
    parent = run.info.run_id
    server.log(parent, entry.ended, params=command.params)
    for stage in entry.stages.values():
        if stage.times is not None:
            _send_stage(server, command, stage, parent)
    _send_command(server, entry, parent)
    is_last = entry.status != "RUNNING"
    if is_last and folder is not None and "report" in entry.stages and (folder / REPORTS).is_dir():
        server.upload(parent, folder / REPORTS, REPORTS.name)


def _send_stage(server: Server, command: Command, stage: FinishedStage, parent: str) -> None:
    """Write the run of a stage that was executed, in the run of its command."""
    assert stage.times is not None, "it was executed"
    started, ended = stage.times
    tags = command.tags | {"iterpref.stage": stage.name, PARENT: parent}
    run = server.open_run(stage.key, stage.name, started, tags)
    # The status is written last: a run that is finished has all.
    if run.info.lifecycle_stage == "deleted" or run.info.status == "FINISHED":
        return
    run_id = run.info.run_id
    server.log(run_id, ended, params=dict(flatten(stage.locked.params)), points=_points(stage))
    _log_datasets(server, run_id, stage)
    _log_models(server, run_id, stage, command)
    server.client.set_terminated(run_id, "FINISHED", round(1000 * ended))


def _points(stage: FinishedStage) -> Iterator[Point]:
    """Yield the points of a training's curve, and the metrics that have no curve."""
    curves: set[str] = set()
    for row in stage.curve:
        curves.update(row)
        for name, value in row.items():
            if name != "step" and value:
                yield name, int(row["step"]), float(value)
    for name, measured in stage.metrics.items():
        if name not in curves:
            yield name, 0, measured


def _send_command(server: Server, entry: Entry, parent: str) -> None:
    """Write the run of a command: pass@1 of all models, why it failed, its status."""
    scores: list[Point] = []
    for stage in entry.stages.values():
        group, _, model = stage.name.partition("@")
        if group == "evaluation":
            for name, value in stage.metrics.items():
                if name.endswith("/pass_at_1"):
                    scores.append((f"{model}/{name}", 0, value))
    server.log(parent, entry.ended, points=scores)
    if entry.status == "RUNNING":
        server.client.update_run(parent, "RUNNING")
        return
    server.log(parent, entry.ended, tags={NOTE: entry.error})
    server.client.set_terminated(parent, entry.status, round(1000 * entry.ended))


def _log_datasets(server: Server, run_id: str, stage: FinishedStage) -> None:
    """Log the data that a stage read and wrote, with DVC's digests."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    datasets = []
    for context, artifacts in (("input", stage.locked.deps), ("output", stage.locked.outs)):
        for item in artifacts:
            if Path(item.path).parts[0] in _DATA:
                source = json.dumps({"dvc": item.path, "bytes": item.size})
                tags = [InputTag("mlflow.data.context", context)]
                datasets.append(DatasetInput(Dataset(item.path, item.md5, "dvc", source), tags))
    if datasets:
        server.client.log_inputs(run_id, datasets=datasets)


def _log_models(server: Server, run_id: str, stage: FinishedStage, command: Command) -> None:
    """Log the models that a stage wrote and read. One that was evaluated also gets its metrics."""
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    for item in _models_among(stage.locked.outs):
        # A model with the same digest may be there already: another run has trained just the same weights.
        params = dict(flatten(stage.locked.params))
        written = server.find_model(item) or server.create_model(item, run_id, params, command.tags)
        server.client.log_outputs(run_id, models=[LoggedModelOutput(written.model_id, step=0)])
    for item in _models_among(stage.locked.deps):
        read = server.find_model(item)
        if read is None:
            continue
        server.client.log_inputs(run_id, models=[LoggedModelInput(read.model_id)])
        if stage.name.startswith("evaluation@") and stage.times is not None:
            points = list(_points(stage))
            server.log(run_id, stage.times.ended, points=points, model_id=read.model_id)


def _models_among(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Return the checkpoints among inputs or outputs."""
    return [item for item in artifacts if Path(item.path).is_relative_to(MODELS)]
