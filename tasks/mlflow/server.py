"""MLflow server: the tracking server that the environment names, or the data base in the checkout."""

import json
import logging
import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from iterpref_core.errors import IterPrefError
from tasks.dvc.lock import Artifact
from tasks.paths import home

DEFAULT_EXPERIMENT = "iterpref"
VIEW = "iterpref"
"""The name under which the experiment has the table of `runs_page`."""

_COLUMN_PIXELS = {
    "metrics.`best/heldout/pass_at_1`": 168,
    "tags.`objective`": 110,
    "tags.`alpha`": 52,
    "tags.`beta`": 48,
    "tags.`data`": 80,
    "tags.`commit`": 80,
    "tags.`dirty`": 52,
}
"""The columns of that table, in MLflow's spelling.

In a window of 1,600 pixels all but the last fit beside MLflow's own panels, of which one opens by itself.
"""

_URI_VARIABLE = "MLFLOW_TRACKING_URI"
_ARTIFACTS = "mlartifacts"
# MLflow's limits: it takes 1,000 metrics at once, but only 100 parameters or tags.
_BATCH = 100
_KEY_CHARS = 250
_VALUE_CHARS = 6000


class TrackingError(IterPrefError):
    """The tracking server cannot be used now; waiting records can be sent later."""


class DeletedRunError(IterPrefError):
    """The run was deleted on MLflow's pages, so nothing more is written to it."""


class Server:
    """A connection to the tracking server, and to the experiment that MLFLOW_EXPERIMENT_NAME names, or `iterpref`.

    Raises:
        TrackingError: the server is away, refuses, or has deleted the experiment.
    """

    def __init__(self) -> None:
        # Seconds, not minutes, for a server that is away.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        import mlflow

        given = os.environ.get(_URI_VARIABLE)
        for name in ("mlflow.store.db.utils", "mlflow.tracking.fluent", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            mlflow.set_tracking_uri(tracking_uri())
            _restore(given)
            self.client = mlflow.MlflowClient()
            self.experiment_id = self._open_experiment()
        except Exception as error:  # noqa: BLE001 - MLflow's, its data base's, its client's
            raise explain(error) from None

    def find_run(self, tag: str, value: str) -> Any | None:
        """Return the newest run with this tag, deleted or not; None if there is none."""
        from mlflow.entities import ViewType

        query = f"tags.`{tag}` = '{value}'"
        found = self.client.search_runs([self.experiment_id], query, ViewType.ALL, max_results=1)
        return found[0] if found else None

    def open_run(self, key: str, name: str, started: float, tags: Mapping[str, str]) -> str:
        """Return the id of the run with this key, which is made if it is not there.

        Args:
            key: identifies the run, whoever sends it and however often.
            name: the name of the run.
            started: seconds since the epoch.
            tags: of a new run.

        Raises:
            DeletedRunError: the user has deleted the run.
        """
        run = self.find_run("iterpref.key", key)
        if run is not None and run.info.lifecycle_stage == "deleted":
            raise DeletedRunError(f"{name} was deleted")
        if run is None:
            run = self.client.create_run(
                self.experiment_id,
                start_time=round(1000 * started),
                tags={**tags, "iterpref.key": key},
                run_name=name,
            )
        return str(run.info.run_id)

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters, whose values MLflow keeps as texts."""
        from mlflow.entities import Param

        items = []
        for key, value in params.items():
            text = str(value)[:_VALUE_CHARS]
            items.append(Param(safe_name(key), text))
        for first in range(0, len(items), _BATCH):
            self.client.log_batch(run_id, params=items[first : first + _BATCH])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags; an empty value sets none."""
        from mlflow.entities import RunTag

        items = []
        for key, value in tags.items():
            if value:
                items.append(RunTag(safe_name(key), value))
        self.client.log_batch(run_id, tags=items)

    def log_metrics(
        self, run_id: str, series: Mapping[str, Mapping[int, float]], at: float, model_id: str | None = None
    ) -> None:
        """Log values by name and step.

        Args:
            run_id: the run.
            series: name → step → value.
            at: seconds since the epoch. A value that is sent again with the same time is there once.
            model_id: a model that has these values, too.
        """
        from mlflow.entities import Metric

        milliseconds = round(1000 * at)
        points = []
        for name, values in series.items():
            for step, value in values.items():
                points.append(Metric(safe_name(name), value, milliseconds, step, model_id=model_id))
        for first in range(0, len(points), _BATCH):
            self.client.log_batch(run_id, metrics=points[first : first + _BATCH])

    def steps_of(self, run_id: str, name: str) -> set[int]:
        """Return the steps at which a run has a value of a metric."""
        return {point.step for point in self.client.get_metric_history(run_id, safe_name(name))}

    def find_model(self, item: Artifact) -> str | None:
        """Return the id of the model with a path and digest of DVC's; None if there is none."""
        query = f"tags.`dvc.md5` = '{item.md5}' and tags.`dvc.path` = '{item.path}'"
        models = self.client.search_logged_models([self.experiment_id], query, max_results=1)
        return str(models[0].model_id) if models else None

    def create_model(self, item: Artifact, run_id: str, params: Mapping[str, str]) -> str:
        """Make a model that points to DVC, and return its id."""
        import mlflow

        model = mlflow.create_external_model(
            name=Path(item.path).name,
            source_run_id=run_id,
            experiment_id=self.experiment_id,
            tags={"dvc.path": item.path, "dvc.md5": item.md5},
            params=dict(params),
        )
        return str(model.model_id)

    def _open_experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
        known = self.client.get_experiment_by_name(name)
        if known is None:
            known = self._make_experiment(name)
        if known.lifecycle_stage == "deleted":
            raise TrackingError(
                f"the experiment {name} at {shown_uri()} is deleted; restore it with `mlflow experiments restore "
                f"--experiment-id {known.experiment_id}`, or name another one in MLFLOW_EXPERIMENT_NAME"
            )
        if _is_in_checkout():
            _move_artifacts(known.artifact_location)
        for key, value in _experiment_tags(known.experiment_id).items():
            if known.tags.get(key) != value:
                self.client.set_experiment_tag(known.experiment_id, key, value)
        return str(known.experiment_id)

    def _make_experiment(self, name: str) -> Any:
        from mlflow.exceptions import MlflowException

        location = artifacts_uri() if _is_in_checkout() else None
        try:
            experiment_id = self.client.create_experiment(name, location)
            return self.client.get_experiment(experiment_id)
        except MlflowException:
            # Another machine may have made it in between.
            known = self.client.get_experiment_by_name(name)
            if known is None:
                raise
            return known


def tracking_uri() -> str:
    """Return the address of the tracking server, or of the data base in the checkout.

    A relative path is one in the checkout, also for a run that happens in a worktree of it.
    """
    uri = os.environ.get(_URI_VARIABLE, "").strip()
    if not uri:
        return _checkout_database()
    # Three slashes begin a relative path, four an absolute one: sqlite:///runs.db, sqlite:////data/runs.db.
    if uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        return f"sqlite:///{(home() / uri.removeprefix('sqlite:///')).resolve()}"
    if re.match(r"[a-z0-9+]+:", uri) or uri.startswith("databricks"):
        return uri
    return (home() / uri).resolve().as_uri()


def artifacts_uri() -> str:
    """Return the address of the folder of artifacts beside the data base in the checkout."""
    return (home() / _ARTIFACTS).resolve().as_uri()


def shown_uri() -> str:
    """Return the address without a password."""
    return re.sub(r"//[^/]*@", "//", tracking_uri())


def explain(error: Exception) -> TrackingError:
    """Return the true cause of a failure of the server: whether it refuses, is away, or something else.

    A defect is also logged, with its traceback.
    """
    if isinstance(error, TrackingError):
        return error
    text = str(error) or type(error).__name__
    if log_defect(error):
        return TrackingError(f"MLflow at {shown_uri()} cannot be used: {type(error).__name__}: {text}")
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException) and error.get_http_status_code() in (401, 403):
        hint = "renew MLFLOW_TRACKING_TOKEN, or user name and password"
        return TrackingError(f"MLflow at {shown_uri()} answers {error.get_http_status_code()}: {hint}")
    # The text of an error of the network is long, and its end says why: "… (Caused by NewConnectionError(…))".
    _, _, cause = text.rpartition("Caused by ")
    first = cause.splitlines()[0]
    return TrackingError(f"MLflow at {shown_uri()} does not answer: {first[:300]}")


def log_defect(error: Exception) -> bool:
    """Log an error with its traceback if it is a defect. Return False for errors of a server, disk, network or data.

    A record must not cost the work of hours, so the code that writes or sends records goes on after any error. Without
    this log, a mistake of the program would look like a server that is away.
    """
    # ImportError: the driver of a data base. ValueError: a torn file, a text that is no number.
    if isinstance(error, (IterPrefError, OSError, ImportError, ValueError)):
        return False
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, (MlflowException, SQLAlchemyError, CommandError)):
        return False
    logging.getLogger(__name__).error("a defect, or a library's error", exc_info=error)
    return True


def check_server() -> str:
    """Return why the tracking server cannot be used; empty if it can."""
    try:
        Server()
    except TrackingError as error:
        return str(error)
    return ""


def runs_page(address: str) -> str:
    """Return the address of the table of runs, with the columns that matter.

    Args:
        address: of MLflow's pages.
    """
    return f"{address}/#/experiments/{Server().experiment_id}/runs?viewStateShareKey={VIEW}"


def safe_name(name: str) -> str:
    """Return a name that MLflow takes, for a metric, a parameter or a tag.

    >>> safe_name("humaneval+/pass@1"), safe_name("my bench#2//x/")
    ('humaneval_plus/pass_at_1', 'my bench_2/x')
    """
    spelled = name.replace("+", "_plus").replace("@", "_at_")
    allowed = re.sub(r"[^\w\-. :/]", "_", spelled, flags=re.ASCII)
    parts = [part for part in allowed.split("/") if part.strip(".")]
    return "/".join(parts)[:_KEY_CHARS] or "_"


def _restore(given: str | None) -> None:
    """Undo that MLflow writes the address into the environment, where it would look like the user's own."""
    os.environ.pop(_URI_VARIABLE, None)
    if given is not None:
        os.environ[_URI_VARIABLE] = given


def _experiment_tags(experiment_id: str) -> dict[str, str]:
    """Return tags by which the experiment's page opens as one of trainings, and has the table of `runs_page`."""
    table = f"#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}"
    columns = list(_COLUMN_PIXELS)
    view = {"selectedColumns": columns, "columnOrder": columns, "columnWidths": _COLUMN_PIXELS}
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(view),
        "mlflow.note.content": f"[The runs with objective, alpha, beta, data, commit and best score]({table})",
    }


def _checkout_database() -> str:
    return f"sqlite:///{(home() / 'mlflow.db').resolve()}"


def _is_in_checkout() -> bool:
    return tracking_uri() == _checkout_database()


def _move_artifacts(location: str) -> None:
    """Let the data base of a checkout that was moved or copied name the folder of artifacts beside it.

    MLflow keeps whole paths, and would go on to write into the old folder.
    """
    new = artifacts_uri()
    if location == new or not (location.startswith("file:") and location.endswith(f"/{_ARTIFACTS}")):
        return
    path = (home() / "mlflow.db").resolve()
    columns = {
        "experiments": "artifact_location",
        "runs": "artifact_uri",
        "logged_models": "artifact_location",
    }
    # file:///old/mlartifacts/3/abc  ->  file:///new/mlartifacts/3/abc
    with closing(sqlite3.connect(path, timeout=60)) as database, database:
        for table, column in columns.items():
            database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} LIKE ? || '%'",
                (new, len(location) + 1, location),
            )
