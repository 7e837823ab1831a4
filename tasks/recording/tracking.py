"""MLflow: one run per experiment, the stages nested in it.

Parameters, metrics (training curves over time), small artifacts, data sets and models by their DVC hash. Weights and
data stay in DVC. MLflow's own imports are slow, so this module is imported only by whoever writes to MLflow.
"""

import fcntl
import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from iterpref_core.config import Params
from tasks.common.body import read_metrics
from tasks.common.paths import LOCK, PROBLEMS, STATE, TRAJECTORIES
from tasks.recording.digest import dvc_md5
from tasks.recording.graph import Stage
from tasks.recording.journal import read_events
from tasks.recording.traces import log_traces

EXPERIMENT = "iterpref"
RUN_VARIABLE = "ITERPREF_MLFLOW_RUN"
_BATCH = 1000
"""MLflow's limit on metrics in one request; parameters go by 100."""


def workspace() -> Path:
    """The repository's root; under `dvc exp run --temp` that of the original, so that its runs land in one place."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or SQLite in the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace() / 'mlflow.db'}"


class Tracker:
    """Writes one experiment's runs."""

    def __init__(self) -> None:
        self.uri = tracking_uri()
        mlflow.set_tracking_uri(self.uri)
        with _locked():
            self.experiment_id = _prepare(self.uri)
        self.client = MlflowClient(self.uri)

    def start_experiment(self, params: Params) -> str:
        """Create the run that holds the stages; returns its id."""
        digest = params_digest(params)
        tags = {"iterpref.params_md5": digest, **_git_tags()}
        run = self.client.create_run(self.experiment_id, run_name=f"experiment-{digest[:7]}", tags=tags)
        self.log_params(run.info.run_id, flatten(params.model_dump(mode="json")))
        return str(run.info.run_id)

    def find_experiment(self, params: Params) -> str:
        """The run that a bare `dvc repro` with these parameters belongs to, created at its first stage."""
        with _locked():
            state = workspace() / STATE / "mlflow_run.json"
            digest = params_digest(params)
            known = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
            if known.get("params_md5") == digest and known.get("uri") == self.uri and self._exists(known["run_id"]):
                return str(known["run_id"])
            run_id = self.start_experiment(params)
            state.parent.mkdir(parents=True, exist_ok=True)
            state.write_text(json.dumps({"params_md5": digest, "uri": self.uri, "run_id": run_id}), encoding="utf-8")
            return run_id

    def end_experiment(self, run_id: str, status: str, metrics: Mapping[str, float]) -> None:
        """Close the experiment's run with what it measured about itself."""
        self.log_metrics(run_id, metrics)
        if LOCK.is_file():
            self.client.log_artifact(run_id, str(LOCK))
        self.client.set_terminated(run_id, status)

    def page(self, run_id: str, interface: str | None) -> str | None:
        """Address of a run's page: at the tracking server, or at an interface to the data base; None without either."""
        server = self.uri if self.uri.startswith("http") else interface
        return f"{server.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{run_id}" if server else None

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], time: int = 0, step: int = 0) -> None:
        """Log metrics at a time (milliseconds since the epoch; 0 for the present) and step."""
        from mlflow.utils.time import get_current_time_millis

        at = time or get_current_time_millis()
        items = [Metric(metric_name(key), float(value), at, step) for key, value in metrics.items()]
        for first in range(0, len(items), _BATCH):
            self.client.log_batch(run_id, metrics=items[first : first + _BATCH])

    def log_params(self, run_id: str, values: Mapping[str, str]) -> None:
        """Log parameters, however many."""
        items = [Param(key, value) for key, value in values.items()]
        for first in range(0, len(items), 100):
            self.client.log_batch(run_id, params=items[first : first + 100])

    def _exists(self, run_id: str) -> bool:
        try:
            return bool(self.client.get_run(run_id).info.lifecycle_stage == "active")
        except mlflow.MlflowException:
            return False


class StageRun:
    """The nested run of one stage, fed from its journal."""

    def __init__(self, tracker: Tracker, stage: Stage, experiment_run: str, params: Params, *, cached: bool = False):
        self.tracker = tracker
        self.stage = stage
        self._offset = 0
        tags = {MLFLOW_PARENT_RUN_ID: experiment_run, "iterpref.stage": stage.name, "iterpref.cached": str(cached)}
        run = tracker.client.create_run(tracker.experiment_id, run_name=stage.name, tags=tags)
        self.run_id = str(run.info.run_id)
        self.experiment_run = experiment_run
        values = flatten(params.model_dump(mode="json"))
        chosen = {key: value for key, value in values.items() if _covered(key, stage.params)}
        tracker.log_params(self.run_id, chosen)
        self._log_inputs()

    def follow(self) -> None:
        """Log what the stage has written to its journal since the last call."""
        for event, offset in read_events(self.stage.name, self._offset):
            self._offset = offset
            if event.metrics:
                self.tracker.log_metrics(self.run_id, event.metrics, event.time, event.step)

    def finish(self, status: str) -> None:
        """Log the final metrics and what was written, and end the run."""
        if status == "FINISHED":
            self._log_results()
        self.tracker.client.set_terminated(self.run_id, status)

    def _log_inputs(self) -> None:
        datasets = [_dataset(path, "input") for path in self.stage.inputs if not _is_model(path)]
        self.tracker.client.log_inputs(self.run_id, datasets=datasets)
        for path in filter(_is_model, self.stage.inputs):
            model_id = self._find_model(path)
            if model_id:
                self.tracker.client.log_inputs(self.run_id, models=[LoggedModelInput(model_id)])

    def _log_results(self) -> None:
        client = self.tracker.client
        metrics = read_metrics(self.stage.name)
        self.tracker.log_metrics(self.run_id, metrics)
        group = self.stage.name.replace("@", "/")
        self.tracker.log_metrics(self.experiment_run, {f"{group}/{key}": value for key, value in metrics.items()})
        for path in map(Path, self.stage.outputs):
            if _is_model(str(path)):
                self._log_model(path)
            elif path.parts[0] in ("reports", "results"):
                self._log_artifact(path)
            else:
                client.log_inputs(self.run_id, datasets=[_dataset(str(path), "output")])
            if path == TRAJECTORIES:
                log_traces(client, self.run_id, TRAJECTORIES, PROBLEMS)

    def _log_artifact(self, path: Path) -> None:
        if path.is_dir():
            self.tracker.client.log_artifacts(self.run_id, str(path), path.as_posix())
        else:
            self.tracker.client.log_artifact(self.run_id, str(path))

    def _log_model(self, path: Path) -> None:
        model = mlflow.create_external_model(
            name=path.name,
            source_run_id=self.run_id,
            experiment_id=self.tracker.experiment_id,
            tags={"dvc.path": path.as_posix(), "dvc.md5": dvc_md5(path)},
        )
        self.tracker.client.log_outputs(self.run_id, models=[LoggedModelOutput(model.model_id, step=0)])

    def _find_model(self, path: str) -> str | None:
        """The model that an earlier stage logged from exactly these files, newest first."""
        digest = dvc_md5(Path(path))
        query = f"tags.`dvc.md5` = '{digest}'"
        found = self.tracker.client.search_logged_models([self.tracker.experiment_id], query, max_results=1)
        return str(found[0].model_id) if found else None


def publish(stage: Stage, params: Params, status: str) -> None:
    """Turn the finished journal of a stage that ran under a bare `dvc repro` into its MLflow run."""
    tracker = Tracker()
    experiment_run = tracker.find_experiment(params)
    run = StageRun(tracker, stage, experiment_run, params)
    run.follow()
    run.finish(status)
    tracker.client.set_terminated(experiment_run, status)


def metric_name(key: str) -> str:
    """A name that MLflow takes: it refuses `+` and `@`.

    >>> metric_name("humaneval+/pass_at_1")
    'humaneval_plus/pass_at_1'
    """
    return key.replace("+", "_plus").replace("@", "_at_")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted keys.

    >>> flatten({"train": {"beta": 0.1, "objectives": {"sft": {"alpha": 1.0}}}})
    {'train.beta': '0.1', 'train.objectives.sft.alpha': '1.0'}
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


def _dataset(path: str, context: str) -> DatasetInput:
    source = json.dumps({"dvc": path})
    dataset = Dataset(name=path, digest=dvc_md5(Path(path)), source_type="dvc", source=source)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])


def _prepare(uri: str) -> str:
    """Bring the data base to this MLflow's schema and create the experiment; returns the experiment's id.

    Done once for a data base, under a lock: of several first users at once most would crash.
    """
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if uri.startswith("sqlite:"):
        _upgrade(uri)
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    artifacts = (workspace() / "mlartifacts").as_uri() if uri.startswith("sqlite:") else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))


def _upgrade(uri: str) -> None:
    """`mlflow db upgrade` for a data base that another version of MLflow may have written."""
    marker = workspace() / STATE / "mlflow_schema.json"
    exists = Path(uri.removeprefix("sqlite:///")).is_file()
    state = {"uri": uri, "version": mlflow.__version__}
    if exists and marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) == state:
        return
    if exists:
        subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", uri], capture_output=True, check=True)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(state), encoding="utf-8")


@contextmanager
def _locked() -> Iterator[None]:
    path = workspace() / STATE / "mlflow.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
