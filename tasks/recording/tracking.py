"""MLflow tracking: one run per experiment, the stages nested in it.

Parameters, metrics (training curves over time), small artifacts, data sets and models by their DVC hash. Weights and
data stay in DVC. MLflow's own imports are slow, so this module is imported only by whoever writes to MLflow.
"""

import csv
import hashlib
import json
import logging
import math
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import mlflow
from mlflow.utils.time import get_current_time_millis

from iterpref_core.config import Params
from iterpref_core.report.summary import read_summary
from tasks.common.paths import LOCK, PROBLEMS, REPORTS, STATE, SUMMARY, TRAJECTORIES, metrics_path
from tasks.common.stage_body import read_metrics
from tasks.recording.dvc_graph import Stage, dvc_md5
from tasks.recording.mlflow_delivery import TrackingServer, locked, tracking_uri, workspace
from tasks.recording.outbox import AwayError, Kind, Outbox, OutboxItem, deliver_leftovers, public_address
from tasks.recording.registry import describe_models
from tasks.recording.stage_journal import read_events
from tasks.recording.traces import sample_traces

log = logging.getLogger("iterpref.run")


class Tracker:
    """Writes one experiment's runs, through an outbox: a server that is away delays them, and costs nothing else.

    A run is known by a name of our own, which the server keeps as the tag `iterpref.run`.
    """

    def __init__(self) -> None:
        uri = tracking_uri()
        self.address = public_address(uri)
        # A server that is away should be known to be so in seconds, not minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        mlflow.set_tracking_uri(uri)
        self.server = TrackingServer(uri)
        folder = workspace() / STATE / "outbox"
        deliver_leftovers(folder, self.address, self.server.send)
        self.outbox = Outbox(folder, self.address, self.server.send)

    def start_run(self, name: str, tags: Mapping[str, str], parent: str | None = None) -> str:
        """Create a run, in another one or not; returns our name of it."""
        run = uuid4().hex
        self.add("run", run, name=name, tags=dict(tags), parent=parent, time=get_current_time_millis())
        return run

    def start_experiment(
        self, params: Params, name: str | None = None, tags: Mapping[str, str] = MappingProxyType({})
    ) -> str:
        """Create the run that holds the stages, under a name and with tags besides its own; returns our name of it."""
        digest = params_digest(params)
        own = {"iterpref.params_md5": digest, **_git_tags()}
        run = self.start_run(name or f"experiment-{digest[:7]}", own | dict(tags))
        self.log_params(run, flatten(params.model_dump(mode="json")))
        return run

    def find_experiment(self, params: Params) -> str:
        """The run that a bare `dvc repro` with these parameters belongs to, created at its first stage."""
        with locked("mlflow_run.lock"):
            state = workspace() / STATE / "mlflow_run.json"
            digest = params_digest(params)
            known = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
            if known.get("params_md5") == digest and known.get("uri") == self.address and self._exists(known["run_id"]):
                return str(known["run_id"])
            run_id = self.start_experiment(params)
            state.parent.mkdir(parents=True, exist_ok=True)
            state.write_text(
                json.dumps({"params_md5": digest, "uri": self.address, "run_id": run_id}), encoding="utf-8"
            )
            return run_id

    def end_experiment(self, run_id: str, status: str, metrics: Mapping[str, float]) -> None:
        """Close the experiment's run with what it measured about itself, and the outbox."""
        self.log_metrics(run_id, metrics)
        if LOCK.is_file():
            self.log_artifact(run_id, LOCK)
        self.end_run(run_id, status)
        self.close()

    def end_run(self, run: str, status: str) -> None:
        """Close a run as FINISHED, FAILED or KILLED."""
        self.add("end", run, status=status, time=get_current_time_millis())

    def close(self) -> None:
        """Deliver what waits, and say so if something still does."""
        waiting = self.outbox.close()
        if waiting:
            log.warning("MLflow at %s does not answer: %d records wait for the next run", self.address, waiting)

    def page(self, run: str, interface: str | None) -> str | None:
        """Address of a run's page: at the tracking server, or at an interface to the data base; None without either."""
        pages = self.address if self.address.startswith("http") else interface
        if pages is None:
            return None
        try:
            run_id = self.server.find(run)
        except AwayError:
            return None
        return f"{pages.rstrip('/')}/#/experiments/{self.server.experiment_id}/runs/{run_id}" if run_id else None

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], time: int = 0, step: int = 0) -> None:
        """Log metrics at a time (milliseconds since the epoch; 0 for the present) and step."""
        values = {metric_name(key): float(value) for key, value in metrics.items()}
        # Neither inf nor nan can be written as JSON; MLflow takes both as text.
        shown = {key: value if math.isfinite(value) else str(value) for key, value in values.items()}
        self.add("metrics", run_id, metrics=shown, time=time or get_current_time_millis(), step=step)

    def log_params(self, run_id: str, values: Mapping[str, str]) -> None:
        """Log parameters, however many."""
        self.add("params", run_id, params=dict(values))

    def log_artifact(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """Keep a small file or folder, as it is now, with the run."""
        self.add("artifact", run_id, path=str(self.outbox.keep(path)), folder=folder)

    def add(self, kind: Kind, run: str, **value: Any) -> None:
        """Record something of a run: see `TrackingServer` for what each kind holds."""
        self.outbox.add(OutboxItem(kind=kind, run=run, value=value))

    def _exists(self, run: str) -> bool:
        """Whether the run is there, or on its way; a server that is away cannot deny it."""
        try:
            return self.server.find(run) is not None or any((workspace() / STATE / "outbox").glob("*.sent"))
        except AwayError:
            return True


class StageRun:
    """The nested run of one stage, fed from its journal."""

    def __init__(self, tracker: Tracker, stage: Stage, experiment_run: str, params: Params, *, cached: bool = False):
        self.tracker = tracker
        self.stage = stage
        self._cached = cached
        self._offset = 0
        self._step = 0
        tags = {"iterpref.stage": stage.name, "iterpref.cached": str(cached)}
        self.run_id = tracker.start_run(stage.name, tags, experiment_run)
        self.experiment_run = experiment_run
        values = flatten(params.model_dump(mode="json"))
        chosen = {key: value for key, value in values.items() if _covered(key, stage.params)}
        tracker.log_params(self.run_id, chosen)
        inputs = [(path, dvc_md5(Path(path))) for path in self.stage.inputs]
        datasets = [(path, digest, "input") for path, digest in inputs if not _is_model(path)]
        models = [digest for path, digest in inputs if _is_model(path)]
        tracker.add("inputs", self.run_id, datasets=datasets, models=models)

    def follow(self) -> None:
        """Log what the stage has written to its journal since the last call."""
        for event, offset in read_events(self.stage.name, self._offset):
            self._offset = offset
            if event.metrics:
                self.tracker.log_metrics(self.run_id, event.metrics, event.time, event.step)
                self._step = max(self._step, event.step)

    def finish(self, status: str) -> None:
        """Log the final metrics and what was written, and end the run."""
        if status == "FINISHED":
            self._log_results()
        self.tracker.end_run(self.run_id, status)

    def _log_curve(self) -> None:
        """Log the training curve of a stage that did not run again, which has no journal, as it left it behind."""
        rows = read_curve(self.stage.name)
        if rows:
            self.tracker.add("curve", self.run_id, rows=rows, time=get_current_time_millis())
            self._step = int(rows[-1]["step"])

    def _log_results(self) -> None:
        """Final metrics stand at the last step of a curve: what MLflow shows as a run's value is then what DVC has."""
        if self._cached:
            self._log_curve()
        metrics = read_metrics(self.stage.name)
        self.tracker.log_metrics(self.run_id, metrics, step=self._step)
        group = self.stage.name.replace("@", "/")
        self.tracker.log_metrics(self.experiment_run, {f"{group}/{key}": value for key, value in metrics.items()})
        for path in map(Path, self.stage.outputs):
            if _is_model(str(path)):
                self.tracker.add("model", self.run_id, name=path.name, path=path.as_posix(), digest=dvc_md5(path))
            elif path.parts[0] in ("reports", "results"):
                self.tracker.log_artifact(self.run_id, path, path.parent.as_posix())
            else:
                self.tracker.add("inputs", self.run_id, datasets=[(str(path), dvc_md5(path), "output")], models=[])
            if path == REPORTS:
                self.tracker.add("described", self.run_id, **describe_models(read_summary(SUMMARY)))
            if path == TRAJECTORIES:
                sample = [item.model_dump(mode="json") for item in sample_traces(TRAJECTORIES, PROBLEMS)]
                self.tracker.add("traces", self.run_id, sample=sample)


def publish(stage: Stage, params: Params, status: str) -> None:
    """Turn the finished journal of a stage that ran under a bare `dvc repro` into its MLflow run."""
    tracker = Tracker()
    experiment_run = tracker.find_experiment(params)
    run = StageRun(tracker, stage, experiment_run, params)
    run.follow()
    run.finish(status)
    tracker.end_run(experiment_run, status)
    tracker.close()


def read_curve(stage: str) -> list[dict[str, str]]:
    """The rows of a stage's training curve, numbers as text, one of them `step`; none where it has no curve."""
    path = metrics_path(stage).with_suffix(".curve.csv")
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: value for key, value in row.items() if value and key != "chosen"} for row in csv.DictReader(file)]


def metric_name(key: str) -> str:
    """A name that MLflow takes: it refuses `+` and `@`.

    >>> metric_name("humaneval+/pass_at_1")
    'humaneval_plus/pass_at_1'
    """
    return key.replace("+", "_plus").replace("@", "_at_")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted keys.

    >>> flatten({"training": {"beta": 0.1, "objectives": {"sft": {"alpha": 1.0}}}})
    {'training.beta': '0.1', 'training.objectives.sft.alpha': '1.0'}
    """
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = str(value)
    return flat


def params_digest(params: Params) -> str:
    """md5 of the parameters' values, whatever the file's comments and order."""
    text = json.dumps(params.model_dump(mode="json"), sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _covered(key: str, prefixes: tuple[str, ...]) -> bool:
    return any(not prefix or key == prefix or key.startswith(prefix + ".") for prefix in prefixes)


def _is_model(path: str) -> bool:
    return path.split("/", maxsplit=1)[0] == "models"


def clean_commit() -> str | None:
    """The commit of the tree; None where the tree differs from it, or there is no git repository."""
    tags = _git_tags()
    return tags["mlflow.source.git.commit"] if tags.get("iterpref.dirty") == "False" else None


def _git_tags() -> dict[str, str]:
    """The commit, and whether the tree differs from it; empty outside of a git repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        dirty = bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"mlflow.source.git.commit": commit, "iterpref.dirty": str(dirty)}


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=workspace(), capture_output=True, text=True, check=True).stdout.strip()
