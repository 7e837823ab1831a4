"""Rows: an entry as runs of MLflow.

A run for each command; nested in it one for each stage that was executed in it. A run is found by its key, so that a
row that is written again is there once. Weights and data stay in DVC: a model in MLflow is a pointer to DVC's digest.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tasks.mlflow.entry import Entry, FinishedStage
from tasks.mlflow.server import Server
from tasks.paths import INGESTED, MODELS, PROBLEMS, REPORTS, RESULTS

_DATA = (PROBLEMS.parent.name, INGESTED.name, RESULTS.name)
"""Folders of data. Other inputs are code, which the commit names, and models, which have entries of their own."""


def send(server: Server, entry: Entry) -> None:
    """Write an entry to MLflow. Runs that the user has deleted there stay deleted."""
    run = server.open_run(entry.key, entry.name, entry.started, entry.tags)
    if run.info.lifecycle_stage == "deleted":
        return
    parent = run.info.run_id
    scores = []
    for stage in entry.stages.values():
        group, _, model = stage.name.partition("@")
        for name, _, value in stage.points:
            if group == "evaluation" and name.endswith("/pass_at_1"):
                scores.append((f"{model}/{name}", 0, value))
    note = {"mlflow.note.content": entry.error}
    server.log(parent, entry.ended, params=entry.params, points=scores, tags=note)
    for stage in entry.stages.values():
        if stage.times is not None:
            _send_stage(server, entry.tags, stage, parent)
    if entry.status == "RUNNING":
        server.client.update_run(parent, "RUNNING")
        return
    server.client.set_terminated(parent, entry.status, round(1000 * entry.ended))
    if entry.folder is not None and "report" in entry.stages and (entry.folder / REPORTS).is_dir():
        server.upload(parent, entry.folder / REPORTS)


def _send_stage(server: Server, tags: Mapping[str, str], stage: FinishedStage, parent: str) -> None:
    """Write the run of a stage that was executed, in the run of its command."""
    assert stage.times is not None, "it was executed"
    started, ended = stage.times
    nested = {**tags, "iterpref.stage": stage.name, "mlflow.parentRunId": parent}
    run = server.open_run(stage.key, stage.name, started, nested)
    # The status is written last: a run that is finished has all.
    if run.info.lifecycle_stage == "deleted" or run.info.status == "FINISHED":
        return
    run_id = run.info.run_id
    server.log(run_id, ended, params=stage.params, points=stage.points)
    for model_id in _log_artifacts(server, run_id, stage, tags):
        if stage.name.startswith("evaluation@"):
            server.log(run_id, ended, points=stage.points, model_id=model_id)
    server.client.set_terminated(run_id, "FINISHED", round(1000 * ended))


def _log_artifacts(server: Server, run_id: str, stage: FinishedStage, tags: Mapping[str, str]) -> list[str]:
    """Log the data and the models that a stage read and wrote, and return the models that it read, by their ids."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput

    datasets = []
    models_read = []
    for item in (*stage.deps, *stage.outs):
        is_output = item in stage.outs
        if Path(item.path).parts[0] in _DATA:
            source = json.dumps({"dvc": item.path, "bytes": item.size})
            context = InputTag("mlflow.data.context", "output" if is_output else "input")
            datasets.append(DatasetInput(Dataset(item.path, item.md5, "dvc", source), [context]))
        if not Path(item.path).is_relative_to(MODELS):
            continue
        # A model with the same digest may be there already: another run has trained just the same weights.
        model = server.find_model(item)
        if is_output:
            written = model or server.create_model(item, run_id, stage.params, tags)
            server.client.log_outputs(run_id, models=[LoggedModelOutput(written.model_id, step=0)])
        elif model is not None:
            models_read.append(model.model_id)
    models = [LoggedModelInput(model_id) for model_id in models_read]
    server.client.log_inputs(run_id, datasets=datasets, models=models)
    return models_read
