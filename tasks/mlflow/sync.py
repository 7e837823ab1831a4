"""Send the entries of commands to MLflow, as a run for the command and one for each stage.

A run for each command; nested in it one for each stage that was executed in it. A run is found by its key, so that a
row that is written again is there once. Weights and data stay in DVC: a model in MLflow is a pointer to DVC's digest.
An entry's file is removed once MLflow has all of it.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

from filelock import FileLock

from iterpref_core.records import BENCHMARKS, IterPrefError
from tasks.addresses import without_passwords
from tasks.dvc.observation import Artifact
from tasks.paths import INGESTED, MODELS, PROBLEMS, RESULTS, model_path
from tasks.stages import find_stage

from .entry import CommandRecord, FinishedStage, Point, entries_folder, is_running, kept_entries, lock_of
from .server import Server, TrackingError, explain

_DATA = (PROBLEMS.parent.name, INGESTED.name, RESULTS.name)
"""Folders of data. Other inputs are code, which the commit names, and models, which have entries of their own."""
_LATER = "the next run sends what is kept"
_LOCK_S = 120.0
"""Seconds to wait for another process that writes."""


@contextmanager
def logged_command(entry: CommandRecord, stage: str = "") -> Iterator[CommandRecord]:
    """Write to MLflow that the command of this entry runs in the block, and then how it ended.

    Args:
        entry: the entry.
        stage: the stage that is all of the command, for the message of a failure.
    """
    lock = lock_of(entry.path)
    with suppress(OSError):  # a disk that is full must not cost the work
        entries_folder().mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    beginning = Thread(target=write_entry, args=(entry,))
    beginning.start()
    if stage:
        beginning.join()  # a stage starts processes by `fork`, which copies no other thread
    try:
        yield entry
        entry.status = "FINISHED"
    except BaseException as error:
        entry.status = "FAILED" if isinstance(error, Exception) else "KILLED"
        entry.error = ": ".join(filter(None, (stage, str(error) or type(error).__name__)))
        raise
    finally:
        beginning.join()  # it takes seconds to import MLflow, and this row must not be written after the next one
        write_entry(entry)
        lock.release()


def send_kept() -> None:
    """Send what earlier commands have left, if there is any."""
    if kept_entries():
        write_entry()


def write_entry(entry: CommandRecord | None = None) -> None:
    """Send an entry and all that are kept to MLflow, and keep what it does not take. Any failure is a warning."""
    # While it is sent, other threads may add stages.
    present = entry and entry.model_copy(update={"stages": dict(entry.stages), "ended": time.time()})
    try:
        entries_folder().mkdir(parents=True, exist_ok=True)
        if present:
            _keep(present)  # another process may send for minutes
        # One process at a time writes to MLflow.
        with FileLock(entries_folder() / ".lock", timeout=_LOCK_S):
            _send_all(present)
    except Exception as error:  # noqa: BLE001 - such as a disk that is full: it must not cost the work of hours
        reason = str(error) if isinstance(error, TrackingError) else f"MLflow: {explain(error)}"
        _warn(f"{reason}; {_LATER}")


def _send_all(present: CommandRecord | None) -> None:
    """Send the present command's entry and every kept one. If MLflow refuses one, the others are still sent.

    Raises:
        TrackingError: the server cannot be used.
    """
    paths = kept_entries()
    if present:
        _keep(present)  # the other process may have sent, and removed, an earlier state
        paths = [path for path in paths if path != present.path] + [present.path]
    server = Server()
    for path in paths:
        try:
            if present and path == present.path:
                entry = present
            elif is_running(path):
                continue  # its process sends it
            else:
                entry = CommandRecord.model_validate_json(path.read_bytes())
                if entry.status == "RUNNING":
                    entry.status, entry.error = "KILLED", "its process is gone"
            send(server, entry)
            if entry.status != "RUNNING":  # if it is killed, the next command learns it from the file
                path.unlink(missing_ok=True)
                path.with_suffix(".lock").unlink(missing_ok=True)
        except Exception as error:  # noqa: BLE001 - MLflow's, its store's, the file system's
            _warn(f"{path} is not in MLflow: {explain(error)}; {_LATER}")
            Server()  # raises if it has gone away: it is not asked for each further entry


def _keep(entry: CommandRecord) -> None:
    """Write an entry's file, if the disk is not full: MLflow may be on another one."""
    try:
        entry.keep()
    except (IterPrefError, OSError) as error:
        _warn(f"{entry.path} is not written: {explain(error)}")


@cache  # a refused entry is tried again after each stage, and reported once
def _warn(reason: str) -> None:
    print(f"warning: {without_passwords(reason)}", file=sys.stderr)


def send(server: Server, entry: CommandRecord) -> None:
    """Write an entry to MLflow. Runs that the user has deleted there stay deleted."""
    run = server.open_run(entry.key, entry.name, entry.started, entry.tags)
    if run.info.lifecycle_stage == "deleted":
        return
    parent = run.info.run_id
    scores: list[Point] = []
    data: dict[str, tuple[str, str]] = {}
    # Scores of all models, also of models that an earlier command has evaluated.
    for stage in entry.stages.values():
        page, item = find_stage(stage.name)
        data |= _data_of(stage)
        if page.headline:
            named = ((page.headline(item, name), value) for name, _, value in stage.points)
            scores += [(name, 0, value) for name, value in named if name]
    tags = {**entry.tags, "mlflow.note.content": entry.error}
    server.log(parent, entry.ended, params=entry.params, points=scores, data=data, tags=tags)
    for stage in entry.stages.values():
        if stage.times is not None:
            _send_stage(server, f"{entry.key} {stage.name}", {**entry.tags, **stage.tags}, stage, parent)
    if entry.status == "RUNNING":
        server.client.update_run(parent, "RUNNING")
        return
    # The command is over: link the data and models that came from outside, and what it made.
    outs = {item for stage in entry.stages.values() for item in stage.outs}
    deps = {item for stage in entry.stages.values() for item in stage.deps}
    _log_artifacts(server, parent, deps - outs, outs)
    server.client.set_terminated(parent, entry.status, round(1000 * entry.ended))
    for name in entry.stages:
        pages = find_stage(name)[0].pages
        if entry.folder is not None and pages and (entry.folder / pages).is_dir():
            server.upload(parent, entry.folder / pages)


def _send_stage(server: Server, key: str, tags: Mapping[str, str], stage: FinishedStage, parent: str) -> None:
    """Write the run of a stage that was executed, in the run of its command."""
    assert stage.times is not None, "it was executed"
    started, ended, threads = stage.times
    nested = {**tags, "iterpref.stage": stage.name, "iterpref.threads": str(threads), "mlflow.parentRunId": parent}
    run = server.open_run(key, stage.name, started, nested)
    # The status is written last: a run that is finished has all.
    if run.info.lifecycle_stage == "deleted" or run.info.status == "FINISHED":
        return
    run_id = run.info.run_id
    params = _settings(stage)
    for item in stage.outs:
        # A model with the same digest may be there already: another run has trained just the same weights.
        if Path(item.path).is_relative_to(MODELS) and server.find_model(item) is None:
            server.create_model(item, run_id, params, tags)
    read = _log_artifacts(server, run_id, stage.deps, stage.outs)
    data = _data_of(stage)
    server.log(run_id, ended, params=params, points=stage.points, data=data)
    for model in read if find_stage(stage.name)[0].scores_model else ():
        server.log(run_id, ended, points=stage.points, data=data, model_id=model.model_id)
        if Path(model.tags["dvc.path"]).is_relative_to(model_path("")):
            # Whoever compares evaluations sees the settings of training, and whoever compares trainings the scores.
            others = {name: value for name, value in model.params.items() if name not in params}
            server.log(run_id, ended, params=others)
            if server.client.get_run(model.source_run_id).info.lifecycle_stage == "active":
                server.log(model.source_run_id, ended, points=stage.points, data=data)
    server.client.set_terminated(run_id, "FINISHED", round(1000 * ended))


def _settings(stage: FinishedStage) -> dict[str, Any]:
    """Return the parameters of a stage, with the same names for all objectives, so that trainings can be compared.

    `training.objectives.sft.alpha` is `training.alpha` there.
    """
    line = f".objectives.{stage.name.partition('@')[2]}."
    return {key.replace(line, "."): value for key, value in stage.params.items()}


def _data_of(stage: FinishedStage) -> dict[str, tuple[str, str]]:
    """Return name and digest of each benchmark's data: the experiment's own problems, or a published version."""
    problems = next(((item.path, item.md5) for item in stage.deps if item.path == str(PROBLEMS)), None)
    found = {}
    for name, _, _ in stage.points:
        benchmark = name.split("/")[0]
        row = BENCHMARKS.get(benchmark)
        if row is not None and row.data is not None:
            data, _, version = row.data.name.rpartition("-")
            found[benchmark] = (data or version, version)
        elif row is not None and problems is not None:
            found[benchmark] = problems
    return found


def _log_artifacts(server: Server, run_id: str, deps: Iterable[Artifact], outs: Iterable[Artifact]) -> list[Any]:
    """Log the data and the models that a run read and wrote, and return the models that it read."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput

    datasets = []
    models: dict[str, list[Any]] = {"input": [], "output": []}
    for context, items in (("input", deps), ("output", outs)):
        for item in items:
            if Path(item.path).parts[0] in _DATA:
                tag = InputTag("mlflow.data.context", context)
                datasets.append(DatasetInput(Dataset(item.path, item.md5, "dvc", f"{item.size} bytes in DVC"), [tag]))
            elif Path(item.path).is_relative_to(MODELS) and (model := server.find_model(item)):
                models[context].append(model)
    read = [LoggedModelInput(model.model_id) for model in models["input"]]
    server.client.log_inputs(run_id, datasets=datasets, models=read)
    # MLflow would list a model again that is logged again.
    there = {model.model_id for model in server.client.get_run(run_id).outputs.model_outputs}
    written = [LoggedModelOutput(model.model_id, step=0) for model in models["output"] if model.model_id not in there]
    if written:  # a tracking server refuses an empty list
        server.client.log_outputs(run_id, models=written)
    return models["input"]
