"""Connect to the tracking server that the environment names, or to the database in the checkout."""

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.records.errors import IterPrefError
from tasks.addresses import database_url, without_passwords
from tasks.dvc.lock import Artifact
from tasks.mlflow.entry import Point
from tasks.paths import home

DEFAULT_EXPERIMENT = "iterpref"
KEY = "iterpref.key"
"""The tag that identifies a run when it is written again."""

_URI_VARIABLE = "MLFLOW_TRACKING_URI"
_SERVE = "start the server with --serve-artifacts, or create an experiment in a store that clients reach"
_KEY_CHARS = 250
"""MLflow's limit for a name."""


class Data(NamedTuple):
    """A data set, as a metric names it."""

    name: str
    digest: str


class TrackingError(IterPrefError):
    """The tracking server cannot be used now."""


class Server:
    """A connection to the tracking server, and to the experiment that the environment names, or `iterpref`.

    Args:
        create: make the experiment if it is not there; False for a check, which only reads.

    Attributes:
        experiment_id: empty if the experiment is not there, and was not to be made.
        no_files: why an upload failed; empty if none did.

    Raises:
        TrackingError: the server is away, refuses, or has deleted the experiment.
    """

    def __init__(self, *, create: bool = True) -> None:
        # Seconds, not minutes, for a server that is away.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        # Two lines with addresses for each run that ends, between the lines of stages.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        # Remember the user's own value, because MLflow overwrites the variable.
        given = os.environ.get(_URI_VARIABLE)
        try:
            import mlflow

            for name in ("mlflow.store.db.utils", "mlflow.tracking.fluent", "alembic"):
                logging.getLogger(name).setLevel(logging.ERROR)
            mlflow.set_tracking_uri(tracking_uri())
            if not tracking_uri().startswith("http"):
                from mlflow.store.db import utils

                utils.MAX_RETRY_COUNT = 3  # of ten tries the last one waits for 51 s
            # MLflow writes the address into the environment, where it would look like the user's own.
            os.environ.pop(_URI_VARIABLE, None)
            if given is not None:
                os.environ[_URI_VARIABLE] = given
            self.client = mlflow.MlflowClient()
            experiment = self._find_experiment(create)
        except TrackingError:
            raise
        except Exception as error:  # noqa: BLE001 - MLflow's, its database's, its client's
            raise TrackingError(f"MLflow at {shown_uri()} cannot be used: {explain(error)}") from None
        self.experiment_id = str(experiment.experiment_id) if experiment else ""
        self.no_files = ""

    def find_run(self, key: str) -> Any | None:
        """Return the run with this key, deleted or not, or None."""
        from mlflow.entities import ViewType

        # A run that the user has deleted also counts: it must not come back.
        found = self.client.search_runs([self.experiment_id], f"tags.`{KEY}` = '{key}'", ViewType.ALL, max_results=1)
        return found[0] if found else None

    def open_run(self, key: str, name: str, started: float, tags: Mapping[str, str]) -> Any:
        """Return the run with this key, deleted or not; make it if it does not exist.

        Args:
            key: identifies the run.
            name: the name of a new run.
            started: seconds since the epoch.
            tags: of a new run.
        """
        return self.find_run(key) or self.client.create_run(
            self.experiment_id, start_time=round(1000 * started), tags={**tags, KEY: key}, run_name=name
        )

    def log(
        self,
        run_id: str,
        at: float,
        *,
        points: Iterable[Point] = (),
        data: Mapping[str, Data] = {},
        params: Mapping[str, Any] = {},
        tags: Mapping[str, str] = {},
        model_id: str | None = None,
    ) -> None:
        """Log a run's parameters, tags and metrics. MLflow keeps parameters and tags as texts, and cuts long ones.

        Args:
            run_id: the run.
            at: the time of the points, in seconds since the epoch. A point that is sent again with it is there once.
            points: (name, step, value).
            data: point's name → the data set that it was measured on.
            params: name → value.
            tags: name → value.
            model_id: also log the points for this model.
        """
        from mlflow.entities import Metric, Param, RunTag

        self.client.log_batch(
            run_id,
            metrics=[
                Metric(safe_name(name), value, round(1000 * at), step, model_id, *data.get(name, (None, None)))
                for name, step, value in points
            ],
            params=[Param(safe_name(name), str(value)) for name, value in params.items()],
            tags=[RunTag(safe_name(name), value) for name, value in tags.items()],
        )

    def watch_machine(self, key: str) -> Callable[[], object]:
        """Add processor, memory, GPUs and network to the run with this key, and return the function that ends this."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        run = self.find_run(key)
        assert run is not None, "its command has begun"
        monitor = SystemMetricsMonitor(run.info.run_id, resume_logging=True, tracking_uri=tracking_uri())
        monitor.start()
        finish: Callable[[], object] = monitor.finish
        return finish

    def find_model(self, item: Artifact) -> Any | None:
        """Return the model with a path and digest of DVC's, or None."""
        query = f"tags.`dvc.md5` = '{item.md5}' and tags.`dvc.path` = '{item.path}'"
        models = self.client.search_logged_models([self.experiment_id], query, max_results=1)
        return models[0] if models else None

    def create_model(self, item: Artifact, run_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> Any:
        """Make a model that points to DVC."""
        import mlflow

        return mlflow.create_external_model(
            name=Path(item.path).name,
            source_run_id=run_id,
            experiment_id=self.experiment_id,
            tags={**tags, "dvc.path": item.path, "dvc.md5": item.md5},
            params={safe_name(name): str(value) for name, value in params.items()},
        )

    def upload(self, run_id: str, folder: Path) -> None:
        """Upload a folder to a run. A failure is kept in `no_files` and raises no error."""
        if self.no_files:
            return
        try:
            self.client.log_artifacts(run_id, str(folder), folder.name)
        except Exception as error:  # noqa: BLE001 - of a store of any kind, or its driver
            self.no_files = f"{explain(error)}; {_SERVE}"

    def _find_experiment(self, create: bool) -> Any | None:
        """Return the experiment. An existing one is not changed, because its description is the team's."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "")
        number = os.environ.get("MLFLOW_EXPERIMENT_ID")
        if number and not name:
            return self.client.get_experiment(number)
        name = name or DEFAULT_EXPERIMENT
        known = self.client.get_experiment_by_name(name)
        if known is None and create:
            location = artifacts_uri() if is_in_checkout() else None
            # MLflow then opens the experiment's page for trainings.
            tags = {"mlflow.experimentKind": "custom_model_development"}
            known = self.client.get_experiment(self.client.create_experiment(name, location, tags))
        if known is not None and known.lifecycle_stage == "deleted":
            raise TrackingError(
                f"the experiment {name} at {shown_uri()} is deleted; restore it with `mlflow experiments restore "
                f"--experiment-id {known.experiment_id}`, or name another one in MLFLOW_EXPERIMENT_NAME"
            )
        return known


def tracking_uri() -> str:
    """Return the address of the tracking server, or of the database in the checkout.

    A relative path is one in the checkout, also for a run that happens in a worktree of it.
    """
    uri = os.environ.get(_URI_VARIABLE, "").strip()
    if not uri:
        return _checkout_database()
    # Three slashes begin a relative path, four an absolute one: sqlite:///runs.db, sqlite:////data/runs.db.
    if uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        return f"{database_url(home().resolve())}/{uri.removeprefix('sqlite:///')}"
    if re.match(r"[a-z0-9+]+:|databricks", uri):
        return uri
    return (home() / uri).resolve().as_uri()


def artifacts_uri() -> str:
    """Return the address of the folder of artifacts next to the database in the checkout."""
    return (home() / "mlartifacts").resolve().as_uri()


def shown_uri() -> str:
    """Return the address without a password."""
    return without_passwords(tracking_uri())


def explain(error: Exception) -> str:
    """Return the kind and the first line of an error."""
    return without_passwords(f"{type(error).__name__}: {error}".splitlines()[0])


def check_server() -> str:
    """Return why the tracking server cannot be used; empty if it can. The check only reads."""
    try:
        Server(create=False)
    except TrackingError as error:
        return str(error)
    return ""


def safe_name(name: str) -> str:
    """Return a name that MLflow takes, for a metric, a parameter or a tag.

    >>> safe_name("my bench#2/x")
    'my bench_2/x'
    """
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)[:_KEY_CHARS]


def _checkout_database() -> str:
    return database_url((home() / "mlflow.db").resolve())


def is_in_checkout() -> bool:
    """Return whether the runs are in the checkout's own database."""
    return tracking_uri() == _checkout_database()
