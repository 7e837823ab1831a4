"""MLflow delivery: each kind of item by the calls that MLflow has for it.

An item may be delivered twice, if the process is killed in between: nothing is then recorded twice.
"""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
from filelock import FileLock
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from tasks.common.paths import STATE
from tasks.recording import registry
from tasks.recording.outbox import AwayError, OutboxItem, RefusedItemError
from tasks.recording.run_table import EXPERIMENT_TAG, experiment_tags
from tasks.recording.traces import TraceSample, log_traces

EXPERIMENT = "iterpref"
RUN_TAG = "iterpref.run"
_BATCH = 1000
"""MLflow's limit on metrics in one request; parameters go by 100."""
_CONNECT_S = 3.0
_RETRIED = (408, 429)


def workspace() -> Path:
    """The repository's root; under `dvc exp run --temp` that of the original, so that its runs land in one place."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or SQLite in the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace() / 'mlflow.db'}"


class TrackingServer:
    """The tracking server or data base. It is first asked when something is delivered, and may be away then."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._ids: dict[str, str] = {}

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client."""
        return MlflowClient(self.uri)

    @cached_property
    def experiment_id(self) -> str:
        """Of the experiment that holds all runs; created when it is first needed."""
        with locked("mlflow.lock"):
            return _prepare(self.uri)

    def set_up(self) -> None:
        """Create what runs are recorded in, unless it is there.

        Raises:
            AwayError: the server does not answer.
        """
        with _explained():
            self._connect()
            assert self.experiment_id

    def send(self, item: OutboxItem) -> None:
        """Deliver an item.

        Raises:
            AwayError: the server does not answer.
            RefusedItemError: it does, and will not have the item.
        """
        with _explained():
            self._connect()
            if item.kind == "run":
                self._create_run(item.run, **item.value)
                return
            run_id = self._find(item.run)
            if run_id is None:
                raise RefusedItemError("its run is not there any more")
            getattr(self, f"_send_{item.kind}")(run_id, **item.value)

    def find(self, run: str) -> str | None:
        """The server's id of a run; None if it is not there.

        Raises:
            AwayError: the server does not answer.
        """
        with _explained():
            self._connect()
            return self._find(run)

    def _connect(self) -> None:
        """Find out in seconds, not by the client's many attempts, that nobody is there."""
        address = urlsplit(self.uri)
        if address.scheme in ("http", "https") and address.hostname:
            port = address.port or (443 if address.scheme == "https" else 80)
            socket.create_connection((address.hostname, port), _CONNECT_S).close()

    def _find(self, run: str) -> str | None:
        if run not in self._ids:
            found = self.client.search_runs([self.experiment_id], f"tags.`{RUN_TAG}` = '{run}'", max_results=1)
            if not found:
                return None
            self._ids[run] = str(found[0].info.run_id)
        return self._ids[run]

    def _create_run(self, run: str, name: str, tags: dict[str, str], parent: str | None, time: int) -> None:
        tags = {**tags, RUN_TAG: run}
        parent_id = self._find(parent) if parent else None
        if parent_id:
            tags |= self._tags_of_nested(parent_id, tags.get(MLFLOW_RUN_NOTE, ""))
        if self._find(run) is None:
            created = self.client.create_run(self.experiment_id, start_time=time, run_name=name, tags=tags)
            self._ids[run] = str(created.info.run_id)

    def _tags_of_nested(self, parent_id: str, note: str) -> dict[str, str]:
        """What a nested run says of the one that it is in, whose id is known only here."""
        name = self.client.get_run(parent_id).info.run_name
        link = f"[{name}](#/experiments/{self.experiment_id}/runs/{parent_id})"
        return {
            MLFLOW_PARENT_RUN_ID: parent_id,
            EXPERIMENT_TAG: name,
            MLFLOW_RUN_NOTE: f"{note} · {link}" if note else link,
        }

    def _send_tags(self, run_id: str, tags: dict[str, str]) -> None:
        self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def _send_params(self, run_id: str, params: dict[str, str]) -> None:
        items = [Param(key, value) for key, value in params.items()]
        for first in range(0, len(items), 100):
            self.client.log_batch(run_id, params=items[first : first + 100])

    def _send_metrics(self, run_id: str, metrics: dict[str, float | str], time: int, step: int) -> None:
        self._log_metrics(run_id, [Metric(key, float(value), time, step) for key, value in metrics.items()])

    def _send_curve(self, run_id: str, rows: list[dict[str, str]], time: int) -> None:
        points = [(int(row["step"]), key, float(value)) for row in rows for key, value in row.items() if key != "step"]
        self._log_metrics(run_id, [Metric(key, value, time, step) for step, key, value in points])

    def _log_metrics(self, run_id: str, items: list[Metric]) -> None:
        for first in range(0, len(items), _BATCH):
            self.client.log_batch(run_id, metrics=items[first : first + _BATCH])

    def _send_inputs(self, run_id: str, datasets: list[tuple[str, str, str]], models: list[str]) -> None:
        self.client.log_inputs(run_id, datasets=[_dataset(*dataset) for dataset in datasets])
        for digest in models:
            model_id = self._find_model(f"tags.`dvc.md5` = '{digest}'")
            if model_id:
                self.client.log_inputs(run_id, models=[LoggedModelInput(model_id)])

    def _send_model(self, run_id: str, name: str, path: str, digest: str) -> None:
        """A model is known by its path and hash: a stage that was cached shows the one that was made before."""
        tags = {"dvc.path": path, "dvc.md5": digest}
        model_id = self._find_model(" and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items()))
        if model_id is None:
            model = mlflow.create_external_model(
                name=name, source_run_id=run_id, experiment_id=self.experiment_id, tags=tags
            )
            model_id = str(model.model_id)
        self.client.log_outputs(run_id, models=[LoggedModelOutput(model_id, step=0)])
        registry.register(self.client, model_id, run_id, path, digest)

    def _send_described(self, _run_id: str, models: list[dict[str, Any]], judge: str) -> None:
        registry.describe(self.client, models, judge)

    def _find_model(self, query: str) -> str | None:
        """The newest model of which this is so."""
        found = self.client.search_logged_models([self.experiment_id], query, max_results=1)
        return str(found[0].model_id) if found else None

    def _send_artifact(self, run_id: str, path: str, folder: str | None) -> None:
        source = Path(path)
        if source.is_dir():
            self.client.log_artifacts(run_id, path, str(Path(folder or "", source.name)))
        else:
            self.client.log_artifact(run_id, path, None if folder in (None, ".") else folder)

    def _send_traces(self, run_id: str, sample: list[dict[str, Any]]) -> None:
        log_traces(self.client, run_id, [TraceSample.model_validate(item) for item in sample])

    def _send_end(self, run_id: str, status: str, time: int) -> None:
        self.client.set_terminated(run_id, status, time)


@contextmanager
def _explained() -> Iterator[None]:
    """Say of MLflow's errors whether trying again later can help."""
    try:
        yield
    except MlflowException as error:
        code = error.get_http_status_code()
        lasting = 400 <= code < 500 and code not in _RETRIED
        raise (RefusedItemError if lasting else AwayError)(str(error)) from None
    except FileNotFoundError as error:
        raise RefusedItemError(str(error)) from None
    except OSError as error:  # of the socket, or of an upload
        raise AwayError(str(error)) from None


def _dataset(path: str, digest: str, context: str) -> DatasetInput:
    source = json.dumps({"dvc": path})
    dataset = Dataset(name=path, digest=digest, source_type="dvc", source=source)
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
    found, tags = client.get_experiment_by_name(EXPERIMENT), experiment_tags()
    if found is None:
        artifacts = (workspace() / "mlartifacts").as_uri() if uri.startswith("sqlite:") else None
        return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts, tags=tags))
    for key, value in tags.items():
        if found.tags.get(key) != value:
            client.set_experiment_tag(found.experiment_id, key, value)
    return str(found.experiment_id)


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
def locked(name: str) -> Iterator[None]:
    """Hold one of the workspace's locks; of two names, so that one may be taken under the other."""
    path = workspace() / STATE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield
