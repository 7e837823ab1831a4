"""Rows: a snapshot as runs of MLflow.

A run for each command; nested in it one for each stage that was executed here. A run is found by its key, so that what
is written again is there once. Weights and data stay in DVC: a model in MLflow is a pointer to DVC's digest.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.dotted_keys import flatten
from tasks.dvc.lock import Artifact
from tasks.mlflow.columns import BEST, best_objective, find_best, model_columns, model_scores, source_columns
from tasks.mlflow.command import Command
from tasks.mlflow.execution import Execution
from tasks.mlflow.server import KEY, Server
from tasks.mlflow.snapshot import Snapshot
from tasks.paths import METRICS, MODELS, REPORTS
from tasks.stage_name import StageName

STATE, PARENT, NOTE = "iterpref.state", "mlflow.parentRunId", "mlflow.note.content"
"""Tags: a digest of all that a run says, the run that it is nested in, and its description."""


def open_command(server: Server, command: Command, started: float) -> str:
    """Return the id of a command's run, which is made if it is not there.

    Raises:
        DeletedRunError: it was deleted on MLflow's pages.
    """
    run_id = server.open_run(command.key, command.name, started, command.tags)
    server.log_params(run_id, command.params)
    return run_id


def open_stage(server: Server, command: Command, execution: Execution, parent: str, started: float) -> str:
    """Return the id of the run of a stage that has no outputs yet. An interrupted stage goes on in the same run."""
    tags = command.tags | {"iterpref.stage": execution.stage, PARENT: parent}
    return server.open_run(execution.live_key, execution.stage, started, tags, again=True)


def write_stage(server: Server, snapshot: Snapshot, execution: Execution, parent: str) -> None:
    """Write the run of a stage that was executed here, in the run of its command."""
    times = execution.times
    assert times is not None, "it was executed here"
    run = server.find_run(execution.key)
    if _is_done(run, execution):
        return
    run_id = run.info.run_id if run else open_stage(server, snapshot.command, execution, parent, times.started)
    server.set_tags(run_id, {KEY: execution.key})
    columns = _columns(snapshot, execution) | source_columns(snapshot.command.source)
    server.set_tags(run_id, columns | ({NOTE: f"[Prefect]({times.page})"} if times.page else {}))
    # MLflow's page of a comparison shows parameters and no tags, so the columns are both.
    server.log_params(run_id, columns | dict(flatten(execution.locked.params)))
    server.log_metrics(run_id, _new_points(server, run_id, execution.curve), times.ended)
    seconds = {"seconds": {0: times.ended - times.started}}
    server.log_metrics(run_id, shown_metrics(execution.name, execution.metrics) | seconds, times.ended)
    server.client.set_terminated(run_id, "FINISHED", round(1000 * times.ended))
    _log_datasets(server, run_id, snapshot, execution)
    _log_models(server, run_id, execution, columns, snapshot.command)
    server.set_tags(run_id, {STATE: execution.key})


def _is_done(run: Any | None, execution: Execution) -> bool:
    """Return whether a run says all of an execution, or was deleted on MLflow's pages."""
    return run is not None and (run.data.tags.get(STATE) == execution.key or run.info.lifecycle_stage == "deleted")


def write_command(server: Server, snapshot: Snapshot, parent: str) -> None:
    """Write the run of a command: scores of all models, the best one's columns, links to stages, and its status."""
    run = server.client.get_run(parent)
    state = _state_of(snapshot)
    if run.data.tags.get(STATE) == state and run.info.status == snapshot.status:
        return
    scores: dict[str, float] = {}
    for execution in snapshot.executions.values():
        scores |= model_scores(execution)
    best = find_best(run.data.metrics | scores)
    scores |= {f"{BEST}/{measure}": found.score for measure, found in best.items()}
    server.log_metrics(parent, {name: {0: score} for name, score in scores.items()}, snapshot.ended)
    objective = best_objective(best)
    stages = {name: execution.locked for name, execution in snapshot.executions.items()}
    trained = [StageName.parse(name).item for name in stages if name.startswith("training@")]
    columns = model_columns(objective or (trained[-1] if trained else ""), stages)
    tags = {BEST: objective, **columns, **source_columns(snapshot.command.source), STATE: state}
    server.set_tags(parent, tags)
    if snapshot.status == "RUNNING":
        server.client.update_run(parent, "RUNNING")
        return
    links = [_link(server, parent, execution) for execution in snapshot.executions.values()]
    server.set_tags(parent, {NOTE: "\n".join([snapshot.error, *filter(None, links)]).strip()})
    if snapshot.status != "FINISHED":
        # Stages that failed or were killed have shown a curve, and no end.
        query = f"tags.`{PARENT}` = '{parent}' and attributes.status = 'RUNNING'"
        for child in server.client.search_runs([server.experiment_id], query):
            server.client.set_terminated(child.info.run_id, snapshot.status, round(1000 * snapshot.ended))
    server.client.set_terminated(parent, snapshot.status, round(1000 * snapshot.ended))


def upload_report(server: Server, snapshot: Snapshot, parent: str, folder: Path) -> None:
    """Add the report's pages to the run of a command, the only files that MLflow gets: DVC has all others.

    Args:
        server: the tracking server.
        snapshot: the command.
        parent: id of its run.
        folder: the checkout or worktree that has the report.
    """
    report = snapshot.executions.get("report")
    digests = [out.md5 for out in report.locked.outs if Path(out.path) == REPORTS] if report else []
    if not digests or not (folder / REPORTS).is_dir():
        return
    if server.client.get_run(parent).data.tags.get("iterpref.report") == digests[0]:
        return
    if server.upload_folder(parent, folder / REPORTS, REPORTS.name):
        server.set_tags(parent, {"iterpref.report": digests[0]})


def shown_metrics(stage: StageName, metrics: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """Return the metrics of a stage that MLflow shows as charts: name → step → value.

    A series such as `pass_rate/0`, `pass_rate/1` is one chart. Counts by kind, such as `dropped/empty`, are none, and
    a training has its curve. DVC has all metrics.

    Args:
        stage: the stage's name.
        metrics: all that the stage measured.

    >>> shown_metrics(StageName("codeflow"), {"solved": 9, "pass_rate/0": 0.5, "pass_rate/1": 0.75, "dropped/empty": 0})
    {'solved': {0: 9}, 'pass_rate': {0: 0.5, 1: 0.75}}
    >>> shown_metrics(StageName("training", "sft"), {"loss": 0.5, "pairs": 300})
    {'mean_loss': {0: 0.5}}
    """
    if stage.group == "training":
        if "loss" not in metrics:
            return {}
        return {"mean_loss": {0: metrics["loss"]}}
    shown: dict[str, dict[int, float]] = {}
    for name, value in metrics.items():
        series, _, number = name.rpartition("/")
        if series and "/" not in series and number.isdecimal():
            shown.setdefault(series, {})[int(number)] = value
        elif "/" not in name or stage.group in ("evaluation", "report"):
            shown[name] = {0: value}
    return shown


def _columns(snapshot: Snapshot, execution: Execution) -> dict[str, str]:
    """Return what tells the model apart that a stage trains or evaluates; nothing for other stages."""
    if execution.name.group not in ("training", "evaluation"):
        return {}
    stages = {name: other.locked for name, other in snapshot.executions.items()}
    return model_columns(execution.name.item, stages)


def _state_of(snapshot: Snapshot) -> str:
    """Return a digest of all that the run of a command says."""
    keys = {name: execution.key for name, execution in snapshot.executions.items()}
    text = json.dumps([keys, snapshot.error], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _link(server: Server, parent: str, execution: Execution) -> str:
    """Return a line with a link to the run that made a stage's outputs; nothing if no run is known for them."""
    run = server.find_run(execution.key)
    if run is None or run.info.lifecycle_stage == "deleted":
        return ""
    link = f"- [{execution.stage}](#/experiments/{server.experiment_id}/runs/{run.info.run_id})"
    if run.data.tags.get(PARENT) == parent:
        return link
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.info.start_time / 1000))
    return f"{link}: unchanged, made {made}"


def _new_points(server: Server, run_id: str, curve: Iterable[Mapping[str, str]]) -> dict[str, dict[int, float]]:
    """Return the points of a training's curve that the run does not have yet: a live curve may have sent some."""
    series: dict[str, dict[int, float]] = {}
    there: dict[str, set[int]] = {}
    for row in curve:
        step = int(row["step"])
        for name, value in row.items():
            if name == "step" or not value:
                continue
            if name not in there:
                there[name] = server.steps_of(run_id, name)
            if step not in there[name]:
                series.setdefault(name, {})[step] = float(value)
    return series


def _log_datasets(server: Server, run_id: str, snapshot: Snapshot, execution: Execution) -> None:
    """Log the data that a stage read and wrote, with DVC's digests."""
    made = {(out.path, out.md5) for other in snapshot.executions.values() for out in other.locked.outs}
    # A stage also depends on code, which the commit names. Data is what another stage made.
    read = [item for item in execution.locked.deps if (item.path, item.md5) in made]
    datasets = []
    for context, artifacts in (("input", read), ("output", execution.locked.outs)):
        for item in artifacts:
            # Models have entries of their own, and metrics are logged as metrics.
            if Path(item.path).parts[0] not in (MODELS.name, METRICS.name):
                datasets.append(_dataset(item, context))
    if datasets:
        server.client.log_inputs(run_id, datasets=datasets)


def _dataset(item: Artifact, context: str) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"dvc": item.path, "bytes": item.size})
    return DatasetInput(Dataset(item.path, item.md5, "dvc", source), [InputTag("mlflow.data.context", context)])


def _log_models(
    server: Server, run_id: str, execution: Execution, columns: Mapping[str, str], command: Command
) -> None:
    """Log the models that a stage wrote and read. One that was evaluated also gets its metrics."""
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    for item in models_among(execution.locked.outs):
        # A model with the same digest may be there already: another run has trained just the same weights.
        written = server.find_model(item) or server.create_model(item, run_id, columns, command.tags)
        server.client.log_outputs(run_id, models=[LoggedModelOutput(written.model_id, step=0)])
    for item in models_among(execution.locked.deps):
        read = server.find_model(item)
        if read is None:
            continue
        server.client.log_inputs(run_id, models=[LoggedModelInput(read.model_id)])
        if execution.name.group == "evaluation" and execution.times is not None:
            series = {name: {0: value} for name, value in execution.metrics.items()}
            server.log_metrics(run_id, series, execution.times.ended, read.model_id)


def models_among(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Return the checkpoints among inputs or outputs."""
    return [item for item in artifacts if Path(item.path).is_relative_to(MODELS)]
