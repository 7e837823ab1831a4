"""MLflow runs: the records, written to the tracking server.

A run for each command, and nested in it one for each stage that ran. A run is found by its key, so that a record that
is sent again is there once. Weights and data stay in DVC: a model in MLflow is a pointer to DVC's digest.
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tasks.dotted_keys import flatten
from tasks.dvc.lock import Artifact, LockedStage
from tasks.mlflow.comparison_columns import best_scores, merge_columns
from tasks.mlflow.invocation import DVC, Invocation
from tasks.mlflow.records import AnyRecord, RunRecord, StageRecord, read_records, record_folders, with_end
from tasks.mlflow.server import DeletedRunError, Server, TrackingError, log_defect
from tasks.paths import METRICS, MODELS, STATE, home
from tasks.stage_name import StageName

_PAUSE_S = 60.0
"""Seconds for which a server that did not answer is left alone."""
_LOCK_S = 120.0
"""Seconds to wait for another process that sends."""


class Sender:
    """A sender of the records that wait. A record that cannot be sent costs a warning; the next command sends it."""

    def __init__(self) -> None:
        self._away_until = 0.0
        self._told: set[str] = set()

    def send(self) -> None:
        """Send all records of ended executions, each by itself."""
        if not record_folders() or time.monotonic() < self._away_until:
            return
        try:
            with FileLock(home() / STATE / "mlflow.lock").acquire(timeout=_LOCK_S):
                self._send_all()
        except Timeout:
            self.warn("another process is sending records to MLflow")
        except TrackingError as error:
            self._away_until = time.monotonic() + _PAUSE_S
            self.warn(str(error))
        except Exception as error:  # noqa: BLE001 - such as a disk that is full: it must not cost the work of hours
            log_defect(error)
            self.warn(f"nothing is sent to MLflow: {type(error).__name__}: {error}")

    def warn(self, reason: str) -> None:
        """Say once why something is not sent."""
        if reason not in self._told:
            print(f"warning: {reason}; the next run sends what waits", file=sys.stderr)
        self._told.add(reason)

    def _send_all(self) -> None:
        """Send stages first, so that a run that held any is there when its own record comes.

        Raises:
            TrackingError: the server cannot be used.
        """
        ended = self._ended_records()
        if not ended:
            return
        server = Server()
        for record in ended:
            if isinstance(record, StageRecord):
                self._send_one(server, record)
        for record in ended:
            if isinstance(record, RunRecord):
                self._send_one(server, record)

    def _ended_records(self) -> list[AnyRecord]:
        """Read the records of executions that have ended, or were killed."""
        records, torn = read_records()
        for error in torn:
            self.warn(str(error))
        return [with_end(record) for record in records if not record.is_running()]

    def _send_one(self, server: Server, record: AnyRecord) -> None:
        try:
            if isinstance(record, StageRecord):
                write_stage(server, record)
            else:
                write_run(server, record)
        except DeletedRunError:
            record.remove()
        except Exception as error:  # noqa: BLE001 - MLflow's, its store's, the file system's
            Server()  # where it is the server that is away, this says so, and the rest waits
            log_defect(error)
            record.problem = f"{type(error).__name__}: {error}".splitlines()[0][:500]
            record.save()
            self.warn(f"{record.what} is not recorded in MLflow: {record.problem}")
        else:
            record.remove()


_sender = Sender()


def send_records() -> None:
    """Send the records that wait."""
    _sender.send()


@contextmanager
def sent_afterwards() -> Iterator[None]:
    """Send the records that wait at the end of a `with` block, however the block ends."""
    try:
        yield
    finally:
        send_records()


def open_holder(server: Server, invocation: Invocation) -> str:
    """Return the id of a command's run, which holds the runs of its stages; the run is made if it is not there.

    Raises:
        DeletedRunError: it was deleted on MLflow's pages.
    """
    # Stages of one command are sent by several processes, and each of them may be the first.
    holder = server.open_run(invocation.id, invocation.name, invocation.started, invocation.tags)
    server.log_params(holder, invocation.params)
    return holder


def open_stage(server: Server, record: StageRecord, holder: str) -> str:
    """Return the id of a stage's run, which is made if it is not there.

    Args:
        server: the tracking server.
        record: the stage.
        holder: id of the run of its command.

    Raises:
        DeletedRunError: it was deleted on MLflow's pages.
    """
    tags = record.invocation.tags | {"iterpref.stage": record.stage, "mlflow.parentRunId": holder}
    run_id = server.open_run(record.id, record.stage, record.started, tags)
    server.set_tags(run_id, record.columns)
    # MLflow's page of a comparison shows parameters and no tags, so the columns are both.
    params = record.columns | dict(flatten(record.locked.params))
    server.log_params(run_id, params)
    return run_id


def write_stage(server: Server, record: StageRecord) -> None:
    """Write the run of one execution of a stage.

    Raises:
        DeletedRunError: it was deleted on MLflow's pages.
    """
    assert record.ended is not None, "only ended executions are sent"
    holder = open_holder(server, record.invocation)
    run_id = open_stage(server, record, holder)
    curve = _curve(server, run_id, record)
    server.log_metrics(run_id, curve, record.ended)
    shown = shown_metrics(StageName.parse(record.stage), record.metrics)
    server.log_metrics(run_id, shown, record.ended)
    _log_files(server, run_id, record)
    _log_datasets(server, run_id, record)
    _log_models(server, run_id, record)
    tags = {"mlflow.note.content": _note(record)}
    if record.status == "FINISHED":
        tags["dvc.lock"] = _digest(record.locked)
    server.set_tags(run_id, tags)
    server.client.set_terminated(run_id, record.status, round(1000 * record.ended))
    _add_to_holder(server, holder, record)


def write_run(server: Server, record: RunRecord) -> None:
    """Write the run of a command. One that ran no stage is only written if it has something new to say.

    Raises:
        DeletedRunError: it was deleted on MLflow's pages.
    """
    assert record.ended is not None, "only ended executions are sent"
    state = state_of(record)
    if not _is_news(server, record, state):
        return
    holder = open_holder(server, record.invocation)
    _summarize(server, holder, record, record.stages)
    server.set_tags(holder, {"iterpref.state": state, "iterpref.error": record.error})
    server.client.set_terminated(holder, record.status, round(1000 * record.ended))


def state_of(record: RunRecord) -> str:
    """Return a digest that is equal for two runs with equal commit, parameters and results."""
    stages = {name: _digest(stage) for name, stage in record.stages.items()}
    source = record.invocation.source
    parts = [source.commit, source.dirty, record.invocation.params, stages]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def shown_metrics(stage: StageName, metrics: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """Return the metrics of a stage that MLflow shows as charts: name → step → value.

    A series such as `pass_rate/0`, `pass_rate/1` is one chart. Counts by kind, such as `dropped/empty`, are none, and
    a training has its curve. `metrics.json` among the run's artifacts has all metrics.

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


def _is_news(server: Server, record: RunRecord, state: str) -> bool:
    """Return whether a command's run says something that no run before has said."""
    if record.ran:
        return True
    # A stage that ran in it was sent already, but was killed before the command could count it.
    if server.find_run("iterpref.key", record.invocation.id) is not None:
        return True
    return bool(record.stages) and server.find_run("iterpref.state", state) is None


def _curve(server: Server, run_id: str, record: StageRecord) -> dict[str, dict[int, float]]:
    """Return the points of a training's curve that the run does not have yet."""
    series: dict[str, dict[int, float]] = {}
    # A live curve may have sent some of the points: {"loss": {10, 20, 30}}.
    there: dict[str, set[int]] = {}
    for row in record.curve:
        step = int(row["step"])
        for name, value in row.items():
            if name == "step" or not value:
                continue
            if name not in there:
                there[name] = server.steps_of(run_id, name)
            if step not in there[name]:
                series.setdefault(name, {})[step] = float(value)
    return series


def _log_files(server: Server, run_id: str, record: StageRecord) -> None:
    """Add the stage's metrics, and the files that it set aside, as artifacts."""
    if record.metrics:
        server.client.log_dict(run_id, record.metrics, "metrics.json")
    if not record.files.is_dir():
        return
    there = {item.path for item in server.client.list_artifacts(run_id)}
    for path in sorted(record.files.iterdir()):
        table = f"{path.stem}.json"
        if path.is_dir():
            server.client.log_artifacts(run_id, str(path), path.name)
        elif table not in there:
            # MLflow would add the rows to a table that is there, so a second sending would double them.
            server.client.log_table(run_id, _table(path), table)


def _table(path: Path) -> dict[str, list[Any]]:
    """Return the records of a JSONL file by column, as MLflow takes a table.

    Records may have different keys: `{"a": 1}` and `{"b": 2}` are `{"a": [1, None], "b": [None, 2]}`.
    """
    records = []
    names: dict[str, None] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        records.append(record)
        names.update(dict.fromkeys(record))
    return {name: [record.get(name) for record in records] for name in names}


def _log_datasets(server: Server, run_id: str, record: StageRecord) -> None:
    """Log the data that a stage read and wrote, with DVC's digests."""
    made = set()
    for stage in record.behind.values():
        for out in stage.outs:
            made.add((out.path, out.md5))
    # A stage also depends on code, which the commit names. Data is what another stage made.
    read = [item for item in record.locked.deps if (item.path, item.md5) in made]
    for context, artifacts in (("input", read), ("output", record.locked.outs)):
        datasets = []
        for item in artifacts:
            # Models have entries of their own, and metrics are logged as metrics.
            if Path(item.path).parts[0] not in (MODELS.name, METRICS.name):
                datasets.append(_dataset(item, context))
        server.client.log_inputs(run_id, datasets=datasets)


def _log_models(server: Server, run_id: str, record: StageRecord) -> None:
    """Log the models that a stage wrote and read. One that was evaluated also gets its metrics."""
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    group = StageName.parse(record.stage).group
    for item in _models_among(record.locked.outs):
        # A model with the same digest may be there already: another run has trained just the same weights.
        written = server.find_model(item) or server.create_model(item, run_id, record.columns)
        server.client.log_outputs(run_id, models=[LoggedModelOutput(written, step=0)])
    for item in _models_among(record.locked.deps):
        read = server.find_model(item)
        if read is None:
            continue
        server.client.log_inputs(run_id, models=[LoggedModelInput(read)])
        if group == "evaluation":
            series = {name: {0: value} for name, value in record.metrics.items()}
            server.log_metrics(run_id, series, record.ended or record.started, read)


def _note(record: StageRecord) -> str:
    """Return the description of a stage's run: its error, and a link to its page in Prefect."""
    parts = []
    if record.error:
        parts.append(record.error)
    if record.page:
        parts.append(f"[Prefect]({record.page})")
    return "\n\n".join(parts)


def _add_to_holder(server: Server, holder: str, record: StageRecord) -> None:
    """Add a stage to the run that holds it."""
    assert record.ended is not None, "only ended executions are sent"
    stages = dict(record.behind)
    if record.status == "FINISHED":
        stages[record.stage] = record.locked
    _summarize(server, holder, record, stages)
    if record.invocation.command != DVC:
        return
    # Nothing tells us when a bare `dvc repro` ends, so each stage moves the end of its run on. A run with stages that
    # end at 10:00 (FINISHED), 10:05 (FAILED) and 10:03 (FINISHED) has failed, and ended at 10:05.
    info = server.client.get_run(holder).info
    ended = max(round(1000 * record.ended), info.end_time or 0)
    failed = info.status if info.status in ("FAILED", "KILLED") else record.status
    server.client.set_terminated(holder, failed, ended)


def _summarize(server: Server, holder: str, record: AnyRecord, stages: Mapping[str, LockedStage]) -> None:
    """Add a record's columns and scores, and links to stages, to those that the run of a command has.

    A run with the tag `objective: sft` to which a training of dpo is added has `objective: sft, dpo`.
    """
    assert record.ended is not None, "only ended executions are sent"
    known = server.client.get_run(holder).data
    before = {name: known.tags[name] for name in record.columns if name in known.tags}
    tags = merge_columns([before, record.columns])
    links = known.tags.get("mlflow.note.content", "").splitlines()
    for stage, locked in stages.items():
        if not any(line.startswith(f"- [{stage}]") for line in links):
            links += _link(server, holder, stage, locked)
    tags["mlflow.note.content"] = "\n".join(links)
    server.set_tags(holder, tags)
    scores = record.scores | best_scores(known.metrics | record.scores)
    series = {name: {0: score} for name, score in scores.items()}
    server.log_metrics(holder, series, record.ended)


def _link(server: Server, holder: str, stage: str, locked: LockedStage) -> list[str]:
    """Return a line with a link to the run that made a stage's outputs; no line if no run is known for them."""
    run = server.find_run("dvc.lock", _digest(locked))
    if run is None or run.info.lifecycle_stage == "deleted":
        return []
    link = f"- [{stage}](#/experiments/{server.experiment_id}/runs/{run.info.run_id})"
    if run.data.tags.get("mlflow.parentRunId") == holder:
        return [link]
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.info.start_time / 1000))
    return [f"{link}: unchanged, made {made}"]


def _models_among(artifacts: Iterable[Artifact]) -> list[Artifact]:
    return [item for item in artifacts if Path(item.path).is_relative_to(MODELS)]


def _dataset(item: Artifact, context: str) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"dvc": item.path, "bytes": item.size})
    return DatasetInput(Dataset(item.path, item.md5, "dvc", source), [InputTag("mlflow.data.context", context)])


def _digest(locked: LockedStage) -> str:
    """Return a digest that is equal for executions with equal inputs, parameters and outputs."""
    artifacts = [[item.path, item.md5] for item in (*locked.deps, *locked.outs)]
    text = json.dumps([artifacts, locked.params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
