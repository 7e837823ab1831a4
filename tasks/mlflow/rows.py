"""Rows: an entry as runs of MLflow.

A run for each command; nested in it one for each stage that was executed in it. A run is found by its key, so that a
row that is written again is there once. Weights and data stay in DVC: a model in MLflow is a pointer to DVC's digest.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tasks.dotted_keys import flatten
from tasks.dvc.lock import Artifact
from tasks.mlflow.entry import Entry, FinishedStage
from tasks.mlflow.server import Server
from tasks.paths import INGESTED, MODELS, PROBLEMS, REPORTS, RESULTS

PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"
"""Tags: the run that a run is nested in, and its description."""
_DATA = (PROBLEMS.parent.name, INGESTED.name, RESULTS.name)
"""Folders of data. Other inputs are code, which the commit names, and models, which have entries of their own."""


def send(server: Server, entry: Entry) -> None:
    """Write an entry to MLflow. Runs that the user has deleted there stay deleted."""
    run = server.open_run(entry.key, entry.name, entry.started, entry.tags)
    if run.info.lifecycle_stage == "deleted":
        return
    parent = run.info.run_id
    server.log(parent, entry.ended, params=entry.params)
    for stage in entry.stages.values():
        if stage.times is not None:
            _send_stage(server, entry.tags, stage, parent)
    _send_command(server, entry, parent)
    if entry.status == "RUNNING" or entry.folder is None or "report" not in entry.stages:
        return
    report = entry.folder / REPORTS
    if report.is_dir():
        server.upload(parent, report, REPORTS.name)


def _send_stage(server: Server, tags: Mapping[str, str], stage: FinishedStage, parent: str) -> None:
    """Write the run of a stage that was executed, in the run of its command."""
    assert stage.times is not None, "it was executed"
    started, ended = stage.times
    nested = {**tags, "iterpref.stage": stage.name, PARENT: parent}
    run = server.open_run(stage.key, stage.name, started, nested)
    # The status is written last: a run that is finished has all.
    if run.info.lifecycle_stage == "deleted" or run.info.status == "FINISHED":
        return
    run_id = run.info.run_id
    server.log(run_id, ended, params=dict(flatten(stage.params)), points=stage.points)
    _log_datasets(server, run_id, stage)
    _log_models(server, run_id, stage, tags)
    server.client.set_terminated(run_id, "FINISHED", round(1000 * ended))


def _send_command(server: Server, entry: Entry, parent: str) -> None:
    """Write the run of a command: pass@1 of all models, why it failed, its status."""
    scores = []
    for stage in entry.stages.values():
        group, _, model = stage.name.partition("@")
        if group == "evaluation":
            for name, _, value in stage.points:
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
    for context, artifacts in (("input", stage.deps), ("output", stage.outs)):
        for item in artifacts:
            if Path(item.path).parts[0] in _DATA:
                source = json.dumps({"dvc": item.path, "bytes": item.size})
                tags = [InputTag("mlflow.data.context", context)]
                datasets.append(DatasetInput(Dataset(item.path, item.md5, "dvc", source), tags))
    if datasets:
        server.client.log_inputs(run_id, datasets=datasets)


def _log_models(server: Server, run_id: str, stage: FinishedStage, tags: Mapping[str, str]) -> None:
    """Log the models that a stage wrote and read. One that was evaluated also gets its metrics."""
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    for item in _models_among(stage.outs):
        # A model with the same digest may be there already: another run has trained just the same weights.
        params = dict(flatten(stage.params))
        written = server.find_model(item) or server.create_model(item, run_id, params, tags)
        server.client.log_outputs(run_id, models=[LoggedModelOutput(written.model_id, step=0)])
    for item in _models_among(stage.deps):
        read = server.find_model(item)
        if read is None:
            continue
        server.client.log_inputs(run_id, models=[LoggedModelInput(read.model_id)])
        if stage.name.startswith("evaluation@") and stage.times is not None:
            server.log(run_id, stage.times.ended, points=stage.points, model_id=read.model_id)


def _models_among(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Return the checkpoints among inputs or outputs."""
    return [item for item in artifacts if Path(item.path).is_relative_to(MODELS)]
