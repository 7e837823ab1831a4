"""MLflow: a run for each invocation, and nested in it one for each stage that ran, from the files that stages wrote.

A stage's record is a file first (`.iterpref/unsent/`), sent at once or, where the server is away, by the next run. A
run is found by its tag `iterpref.key`, so that what is sent again is recorded once; none is left running but a training
that lives. Weights and data stay in DVC: a model is a pointer to it, which MLflow's pages register if somebody asks.
"""

import csv
import getpass
import hashlib
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock
from pydantic import BaseModel

from iterpref_core.config import Params, load_params
from iterpref_core.objectives.objectives import OBJECTIVES, find_objective
from iterpref_core.storage.jsonl import atomic_writer
from tasks.dotted_keys import flatten
from tasks.dvc_graph import Artifact, LockedStage, read_lock
from tasks.paths import METRICS, MODELS, PAIRS, REPORTS, STATE, metrics_path
from tasks.reproduction import PAGE_VARIABLE, RUN_VARIABLE
from tasks.stage_body import read_body
from tasks.worktree import home

ROWS = 200
"""Records of a JSONL artifact that are shown as a table."""
LIVE_AFTER_S = 30.0
"""A training that has lasted so long shows its curve while it runs; a shorter one does not wait for MLflow's import."""

_LIBRARIES = ("accelerate", "dvc", "mlflow", "peft", "prefect", "torch", "transformers", "trl")
_PAUSE_S = 60.0


class StageRecord(BaseModel):
    """One execution of a stage, as MLflow is told of it.

    `key` and `invocation` identify its run and the one that holds it, which is called `run`. `started` and `ended` are
    of the stage's work, in seconds since the epoch; `error` says why it failed.
    """

    stage: str
    key: str
    invocation: str
    run: str
    started: float
    ended: float
    error: str
    tags: dict[str, str]
    all_params: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float] = {}
    curve: list[dict[str, str]] = []


def log_stage(stage: str, error: str = "", run: str = "") -> None:
    """Record a stage that ran or failed. That of `iterpref run` or a sweep is sent by that process, not by the stage's.

    Args:
        stage: DVC's name of it.
        error: why it failed; empty where it did not.
        run: name of the run that holds it; by default what the environment says.
    """
    record = _observe(stage, error, run)
    with atomic_writer(_unsent() / f"{record.key}.json") as file:
        file.write(record.model_dump_json())
    if not run and RUN_VARIABLE not in os.environ:
        log_missing()


def log_missing(run: str = "") -> None:
    """Send what waits, with the digests in dvc.lock; a server that is away costs a warning, and the next run sends.

    Args:
        run: name of the present run, which holds the stages that DVC restored from its run cache.
    """
    if _away.lasts():
        return
    try:
        with FileLock(home() / STATE / "mlflow.lock"):
            server = Server()
            server.end_dead_runs()
            for path in sorted(_unsent().glob("*.json"), key=lambda item: item.stat().st_mtime_ns):
                server.send(StageRecord.model_validate_json(path.read_bytes()))
                path.unlink()
            server.note_digests(run)
    except Exception as error:  # noqa: BLE001 - MLflow's, its data base's, a store's: none may cost a stage's work
        _away.begin(error)


class LiveCurve:
    """Shows a training's curve while it runs, as `on_log` of `train_objective`."""

    def __init__(self, stage: str) -> None:
        self._stage, self._begun = stage, time.monotonic()
        self._waiting: list[tuple[int, Mapping[str, float]]] = []
        self._run: tuple[Server, str] | None = None

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Log a point."""
        self._waiting.append((step, metrics))
        if time.monotonic() - self._begun < LIVE_AFTER_S or _away.lasts():
            return
        try:
            if self._run is None:
                server = Server()
                with FileLock(home() / STATE / "mlflow.lock"):
                    self._run = server, server.stage_run(_observe(self._stage, "", ""))
            server, run_id = self._run
            for number, values in self._waiting:
                server.log_metrics(run_id, {metric_name(key): {number: value} for key, value in values.items()})
            self._waiting.clear()
        except Exception as error:  # noqa: BLE001 - as above
            _away.begin(error)


class _Away:
    """A server that did not answer is left alone for a while, and one warning is enough for a process."""

    def __init__(self) -> None:
        self._until, self._warned = 0.0, False

    def lasts(self) -> bool:
        return time.monotonic() < self._until

    def begin(self, error: Exception) -> None:
        self._until = time.monotonic() + _PAUSE_S
        if not self._warned:
            print(f"warning: {explain(error)}; the next run records what is missing there", file=sys.stderr)
        self._warned = True


_away = _Away()


def explain(error: Exception) -> str:
    """What is wrong with the tracking server: whether it refuses, or is away."""
    address, text = re.sub(r"//[^/]*@", "//", tracking_uri()), str(error)
    if refused := re.search(r"\b(401|403)\b", text):
        return f"MLflow at {address} answers {refused[1]}: renew MLFLOW_TRACKING_TOKEN, or user name and password"
    return f"MLflow at {address} does not answer: {(text or type(error).__name__).splitlines()[0][:300]}"


def check_server() -> str:
    """Why the tracking server cannot be used; empty if it can."""
    try:
        Server()
    except Exception as error:  # noqa: BLE001 - as above
        return explain(error)
    return ""


def tracking_uri() -> str:
    """Address of the tracking server, or of the data base in the checkout."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(home() / 'mlflow.db').resolve()}"


def metric_name(key: str) -> str:
    """A name that MLflow takes: it refuses `+` and `@`.

    >>> metric_name("humaneval+/pass_at_1")
    'humaneval_plus/pass_at_1'
    """
    return key.replace("+", "_plus").replace("@", "_at_")


def shown_metrics(stage: str, metrics: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """A stage's metrics as charts, value by step: what is measured, and not what is constant or counted by kind.

    Args:
        stage: DVC's name of it.
        metrics: what it returned; `metrics.json` among the run's artifacts has all of it. Of a training the curve says
            the rest.

    >>> shown_metrics("codeflow", {"solved": 9, "pass_rate/0": 0.5, "pass_rate/1": 0.75, "dropped/empty": 0})
    {'solved': {0: 9}, 'pass_rate': {0: 0.5, 1: 0.75}}
    >>> shown_metrics("training@sft", {"loss": 0.5, "pairs": 300})
    {'mean_loss': {0: 0.5}}
    """
    if stage.startswith("training"):
        return {f"mean_{name}": {0: metrics[name]} for name in ("loss",) if name in metrics}
    shown: dict[str, dict[int, float]] = {}
    for name, value in metrics.items():
        series = re.fullmatch(r"([^/]+)/(\d+)", name)
        if series:
            shown.setdefault(metric_name(series[1]), {})[int(series[2])] = value
        elif "/" not in name or stage.startswith(("evaluation", "report")):
            shown[metric_name(name)] = {0: value}
    return shown


def _unsent() -> Path:
    return home() / STATE / "unsent"


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _observe(stage: str, error: str, run: str) -> StageRecord:
    """What is to be said of the stage that this process runs, or of one that it has seen end."""
    params, tags, process = load_params(), _origin(run), psutil.Process()
    invocation, name = _invocation(process, run)
    all_params = {key: str(value) for key, value in flatten(params.model_dump(mode="json"))}
    sources = {key: value for key, value in tags.items() if key.startswith(("mlflow.source.git", "version."))}
    record = StageRecord(
        stage=stage,
        key=_digest(stage, socket.gethostname(), process.pid, process.create_time(), error if run else ""),
        invocation=_digest(invocation, all_params, sources),
        run=name,
        started=process.create_time(),
        ended=time.time(),
        error=error,
        tags=tags,
        all_params=all_params,
        params=_model_params(stage, params),
    )
    body, metrics = read_body(stage), metrics_path(stage)
    if not error and body is not None and metrics.is_file():
        record.started, record.ended, record.metrics = body.started, body.ended, json.loads(metrics.read_bytes())
        if (curve := metrics.with_suffix(".curve.csv")).is_file():
            record.curve = list(csv.DictReader(curve.read_text(encoding="utf-8").splitlines()))
    return record


def _invocation(process: psutil.Process, run: str) -> tuple[str, str]:
    """What identifies the run that holds a stage, and its name: of the DVC experiment, of the flow, or of the time."""
    if name := os.environ.get("DVC_EXP_NAME") or run or os.environ.get(RUN_VARIABLE):
        return name, name
    tree = [process, *process.parents()]
    repro = next((item for item in tree if re.search(r"(^|[ /])dvc( |$)", " ".join(item.cmdline()))), process)
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(repro.create_time()))
    return f"{socket.gethostname()} {repro.pid} {repro.create_time()}", f"dvc repro {begun}"


def _origin(run: str) -> dict[str, str]:
    """Where a run comes from, in MLflow's own tags, with versions, and links to DVC and Prefect."""
    # What DVC itself writes while it runs makes nothing dirty.
    changed = [line for line in _git("status", "--porcelain").splitlines() if not line.endswith("dvc.lock")]
    tags = {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": "iterpref run" if run or RUN_VARIABLE in os.environ else "dvc repro",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": _git("rev-parse", "HEAD"),
        "mlflow.source.git.branch": _git("rev-parse", "--abbrev-ref", "HEAD"),
        "mlflow.source.git.dirty": str(bool(changed)).lower(),
        "dvc.experiment": os.environ.get("DVC_EXP_NAME", ""),
        "prefect.page": os.environ.get(PAGE_VARIABLE, ""),
        "iterpref.process": f"{socket.gethostname()} {os.getpid()}",
    }
    for library in _LIBRARIES:
        try:
            tags[f"version.{library}"] = version(library)
        except PackageNotFoundError:
            continue
    return {key: value for key, value in tags.items() if value}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _model_params(stage: str, params: Params) -> dict[str, str]:
    """What tells models apart, on their training and on their evaluation."""
    kind, _, name = stage.partition("@")
    if kind not in ("training", "evaluation"):
        return {}
    pairs = [out.md5 for locked in read_lock().values() for out in locked.outs if out.path == PAIRS.as_posix()]
    known: dict[str, Any] = {"objective": name, "student": params.model.student}
    known |= {"data": pairs[0] if pairs else "", "commit": _git("rev-parse", "--short", "HEAD")}
    if name in OBJECTIVES:
        row, training = find_objective(name, params.training.objectives), params.training
        known |= {"learning_rate": row.learning_rate, "epochs": training.epochs, "seed": training.seed}
        known |= {"alpha": row.alpha} | ({"beta": training.beta} if row.loss else {})
    return {key: str(value) for key, value in known.items() if value != ""}


class Server:
    """The tracking server, and the experiment on it that MLFLOW_EXPERIMENT_NAME names, or `iterpref`.

    Raises:
        Exception: MLflow's or its client's own, where the server is away or refuses.
    """

    def __init__(self) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # seconds, not minutes, for one that is away
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        import mlflow

        for name in ("mlflow.store.db.utils", "mlflow.tracking.fluent", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        mlflow.set_tracking_uri(tracking_uri())
        self.client = mlflow.MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "iterpref")
        local = (home() / "mlartifacts").resolve().as_uri() if tracking_uri().startswith("sqlite:") else None
        known = self.client.get_experiment_by_name(name)
        self.experiment_id = str(known.experiment_id if known else self.client.create_experiment(name, local))
        self._holding: set[str] = set()

    def stage_run(self, record: StageRecord) -> str:
        """The id of a stage's run, which is made, running, in the run of its invocation."""
        holder = self._find(record.invocation)
        if holder is None:
            tags = {key: value for key, value in record.tags.items() if key != "prefect.page"}
            holder = self._create(record.run, record.invocation, record.started, tags, record.all_params)
            self.client.set_terminated(holder, "FINISHED", round(1000 * record.ended))
        self._holding.add(holder)
        if (known := self._find(record.key)) is not None:
            return known
        tags = record.tags | {"iterpref.stage": record.stage, "mlflow.parentRunId": holder}
        return self._create(record.stage, record.key, record.started, tags, record.params)

    def send(self, record: StageRecord) -> str:
        """Record a stage, whatever of it is there already; returns its run's id."""
        run_id = self.stage_run(record)
        there = {point.step for point in self.client.get_metric_history(run_id, "loss")} if record.curve else set()
        series = shown_metrics(record.stage, record.metrics)
        for row in record.curve:
            if (step := int(row["step"])) not in there:
                for name in row.keys() - {"step"}:
                    series.setdefault(metric_name(name), {}).update({step: float(row[name])} if row[name] else {})
        self.log_metrics(run_id, series)
        if record.metrics:
            self.client.log_dict(run_id, record.metrics, "metrics.json")
        if record.stage == "report" and REPORTS.is_dir() and not record.error:
            self.client.log_artifacts(run_id, str(REPORTS), REPORTS.name)
        page = record.tags.get("prefect.page")
        notes = [record.error, f"[Prefect]({page})" if page else ""]
        self.client.set_tag(run_id, "mlflow.note.content", "\n\n".join(filter(None, notes)))
        status, ended = "FAILED" if record.error else "FINISHED", round(1000 * record.ended)
        self.client.set_terminated(run_id, status, ended)
        holder = self.client.get_run(self._find(record.invocation)).info
        failed = "FAILED" in (status, holder.status)
        self.client.set_terminated(holder.run_id, "FAILED" if failed else "FINISHED", max(ended, holder.end_time or 0))
        if record.stage.startswith(("evaluation", "report")):
            group = f"{record.stage.partition('@')[2]}/" if "@" in record.stage else ""
            self.log_metrics(holder.run_id, {f"{group}{name}": values for name, values in series.items()})
        return run_id

    def note_digests(self, run: str) -> None:
        """Tie what dvc.lock has to the runs that made it. What none made, DVC has restored: that is recorded, too."""
        runs = self.client.search_runs([self.experiment_id], "tags.`iterpref.stage` LIKE '_%'", max_results=1000)
        made = {item.data.tags["dvc.lock"]: item for item in runs if "dvc.lock" in item.data.tags}
        lock = read_lock()
        shown = {}
        for stage, locked in lock.items():
            digest, body = _digest(locked), read_body(stage)
            if digest not in made:
                begun = round(1000 * body.started) if body else 0
                of_stage = [item for item in runs if item.data.tags["iterpref.stage"] == stage]
                of_body = [
                    item for item in of_stage if item.info.start_time == begun and item.info.status == "FINISHED"
                ]
                new = [item for item in of_body if "dvc.lock" not in item.data.tags]
                if not new and not metrics_path(stage).is_file():
                    continue
                made[digest] = new[0] if new else self._send_restored(stage, digest, run)
                self._note(made[digest], digest, locked, {out.path for item in lock.values() for out in item.outs})
            shown[stage] = made[digest]
        for holder in self._holding:
            lines = [self._line(stage, item, holder) for stage, item in shown.items()]
            self.client.set_tag(holder, "mlflow.note.content", "\n".join(lines))

    def end_dead_runs(self) -> None:
        """Call a run killed that says it runs, and whose process is gone from this machine."""
        for run in self.client.search_runs([self.experiment_id], "attributes.status = 'RUNNING'", max_results=1000):
            host, _, pid = run.data.tags.get("iterpref.process", "").rpartition(" ")
            if host == socket.gethostname() and not psutil.pid_exists(int(pid)):
                self.client.set_tag(run.info.run_id, "mlflow.note.content", "killed: its process is gone")
                self.client.set_terminated(run.info.run_id, "KILLED")

    def log_metrics(self, run_id: str, series: Mapping[str, Mapping[int, float]], model: str | None = None) -> None:
        """Log values by name and step, of a run and of a model."""
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        points = [
            Metric(name, value, now, step, model_id=model)
            for name, values in series.items()
            for step, value in values.items()
        ]
        for first in range(0, len(points), 1000):
            self.client.log_batch(run_id, metrics=points[first : first + 1000])

    def _find(self, key: str) -> str | None:
        runs = self.client.search_runs([self.experiment_id], f"tags.`iterpref.key` = '{key}'", max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def _create(self, name: str, key: str, started: float, tags: Mapping[str, str], params: Mapping[str, str]) -> str:
        tags = {**tags, "iterpref.key": key}
        run = self.client.create_run(self.experiment_id, round(1000 * started), tags, run_name=name)
        self._log_params(run.info.run_id, params)
        return str(run.info.run_id)

    def _log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        items = [Param(key, str(value)[:6000]) for key, value in params.items()]
        for first in range(0, len(items), 100):
            self.client.log_batch(run_id, params=items[first : first + 100])

    def _send_restored(self, stage: str, digest: str, run: str) -> Any:
        record = _observe(stage, "", run)
        record.key, record.started, record.ended = _digest(digest, record.invocation), time.time(), time.time()
        record.tags["dvc.restored"] = "true"
        return self.client.get_run(self.send(record))

    def _note(self, run: Any, digest: str, locked: LockedStage, written: set[str]) -> None:
        """Say of a run what DVC knows: its parameters, data sets and models with their digests, first records."""
        from mlflow.entities import LoggedModelInput

        run_id = run.info.run_id
        self._log_params(run_id, dict(flatten(locked.params)))
        inputs = [item for item in locked.deps if any(Path(path).is_relative_to(item.path) for path in written)]
        for context, artifacts in (("input", inputs), ("output", locked.outs)):
            data = [item for item in artifacts if Path(item.path).parts[0] not in (MODELS.name, METRICS.name)]
            self.client.log_inputs(run_id, datasets=[_dataset(item, context) for item in data])
        for item in locked.outs:
            if item.path.endswith(".jsonl") and Path(item.path).is_file():
                self.client.log_table(run_id, _first_records(Path(item.path)), f"{Path(item.path).stem}.json")
            elif Path(item.path).is_relative_to(MODELS):
                self._log_model(run, item)
        models = [item for item in locked.deps if Path(item.path).is_relative_to(MODELS)]
        for model_id in filter(None, map(self._find_model, models)):
            self.client.log_inputs(run_id, models=[LoggedModelInput(model_id)])
            if run.data.tags["iterpref.stage"].startswith("evaluation"):
                self.log_metrics(run_id, {name: {0: value} for name, value in run.data.metrics.items()}, model_id)
        self.client.set_tag(run_id, "dvc.lock", digest)

    def _log_model(self, run: Any, item: Artifact) -> None:
        """A model that points to DVC, once for a path and digest."""
        import mlflow
        from mlflow.entities import LoggedModelOutput

        model_id = self._find_model(item)
        if model_id is None:
            tags = {"dvc.path": item.path, "dvc.md5": item.md5}
            model = mlflow.create_external_model(
                name=Path(item.path).name, source_run_id=run.info.run_id, experiment_id=self.experiment_id, tags=tags,
                params={key: value for key, value in run.data.params.items() if "." not in key},
            )  # fmt: skip
            model_id = str(model.model_id)
        self.client.log_outputs(run.info.run_id, models=[LoggedModelOutput(model_id, step=0)])

    def _find_model(self, item: Artifact) -> str | None:
        query = f"tags.`dvc.md5` = '{item.md5}' and tags.`dvc.path` = '{item.path}'"
        models = self.client.search_logged_models([self.experiment_id], query, max_results=1)
        return str(models[0].model_id) if models else None

    def _line(self, stage: str, run: Any, holder: str) -> str:
        """A stage in the note of the run that holds it: a link to its run, or to that of an earlier invocation."""
        link = f"- [{stage}](#/experiments/{self.experiment_id}/runs/{run.info.run_id})"
        if run.data.tags.get("mlflow.parentRunId") == holder:
            return link
        return f"{link}: unchanged, made {time.strftime('%Y-%m-%d %H:%M', time.localtime(run.info.start_time / 1000))}"


def _dataset(item: Artifact, context: str) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"dvc": item.path, "bytes": item.size})
    return DatasetInput(Dataset(item.path, item.md5, "dvc", source), [InputTag("mlflow.data.context", context)])


def _first_records(path: Path) -> dict[str, list[Any]]:
    """The first records of a JSONL file by column, as MLflow takes a table."""
    with path.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in islice(file, ROWS)]
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}
