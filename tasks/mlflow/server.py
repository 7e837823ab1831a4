"""Connect to the tracking server that the environment names, or to the database in the checkout."""

import logging
import os
import re
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock

from iterpref_core.records import IterPrefError
from tasks.addresses import without_passwords
from tasks.dvc.observation import Artifact
from tasks.local_server import BROKEN
from tasks.paths import STATE, home

from .entry import Point

DEFAULT_EXPERIMENT = "iterpref"
KEY = "iterpref.key"
"""The tag that identifies a run when it is written again."""

_ARTIFACTS = "mlartifacts"
_DATABASE = "mlflow.db"
_URI_VARIABLE = "MLFLOW_TRACKING_URI"
_SERVE = "start the server with --serve-artifacts, or create an experiment in a store that clients reach"
_KEY_CHARS = 250
"""MLflow's limit for a name."""


class TrackingError(IterPrefError):
    """The tracking server cannot be used now."""


class Server:
    """A connection to the tracking server, and to the experiment that the environment names, or `iterpref`.

    Args:
        create: make the experiment if it is not there; False for a check, which only reads.

    Attributes:
        experiment_id: empty if the experiment is not there, and was not to be made.

    Raises:
        TrackingError: the server is away or refuses.
    """

    def __init__(self, *, create: bool = True) -> None:
        # Seconds, not minutes, for a server that is away.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        # Two lines with addresses for each run that ends, between the lines of stages.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        try:
            from mlflow import MlflowClient

            make_database()
            if not tracking_uri().startswith("http"):
                from mlflow.store.db import utils

                utils.MAX_RETRY_COUNT = 3  # of ten tries the last one waits for 51 s
            self.client = MlflowClient(tracking_uri())
            experiment = self._find_experiment(create)
        except Exception as error:  # noqa: BLE001 - MLflow's, its database's, its client's
            place = without_passwords(tracking_uri())
            raise TrackingError(f"MLflow at {place} cannot be used: {explain(error)}") from None
        self.experiment_id = str(experiment.experiment_id) if experiment else ""

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
        data: Mapping[str, tuple[str, str]] = {},
        params: Mapping[str, Any] = {},
        tags: Mapping[str, str] = {},
        model_id: str | None = None,
    ) -> None:
        """Log a run's parameters, tags and metrics. MLflow keeps parameters and tags as texts, and cuts long ones.

        Args:
            run_id: the run.
            at: the time of the points, in seconds since the epoch. A point that is sent again with it is there once.
            points: (name, step, value).
            data: benchmark → name and digest of the data set of its points, which begin with the benchmark's name.
            params: name → value.
            tags: name → value.
            model_id: also log the points for this model.
        """
        from mlflow.entities import Metric, Param, RunTag

        self.client.log_batch(
            run_id,
            metrics=[
                Metric(
                    safe_name(name),
                    value,
                    round(1000 * at),
                    step,
                    model_id,
                    *data.get(name.split("/")[0], (None, None)),
                )
                for name, step, value in points
            ],
            params=[Param(safe_name(name), str(value)) for name, value in params.items()],
            tags=[RunTag(safe_name(name), value) for name, value in tags.items()],
        )

    def find_model(self, item: Artifact) -> Any | None:
        """Return the model with a path and digest of DVC's, or None."""
        query = f"tags.`dvc.md5` = '{item.md5}' and tags.`dvc.path` = '{item.path}'"
        models = self.client.search_logged_models([self.experiment_id], query, max_results=1)
        return models[0] if models else None

    def create_model(self, item: Artifact, run_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Make a model that points to DVC."""
        texts = {safe_name(name): str(value) for name, value in params.items()}
        pointer = {"mlflow.model.isExternal": "true", "dvc.path": item.path, "dvc.md5": item.md5}
        made = self.client.create_logged_model(
            self.experiment_id, Path(item.path).name, run_id, {**tags, **pointer}, texts
        )
        self.client.finalize_logged_model(made.model_id, "READY")

    def upload(self, run_id: str, folder: Path) -> None:
        """Upload a folder to a run. A failure is a warning."""
        try:
            self.client.log_artifacts(run_id, str(folder), folder.name)
        except Exception as error:  # noqa: BLE001 - of a store of any kind, or its driver
            print(f"warning: MLflow gets no files: {explain(error)}; {_SERVE}", file=sys.stderr)

    def _find_experiment(self, create: bool) -> Any | None:
        """Return the experiment. An existing one is not changed, because its description is the team's."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "")
        number = os.environ.get("MLFLOW_EXPERIMENT_ID")
        if number and not name:
            try:
                return self.client.get_experiment(number)
            except Exception as error:
                if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                    raise
                advice = f"correct MLFLOW_EXPERIMENT_ID={number}, or let MLFLOW_EXPERIMENT_NAME name an experiment"
                raise TrackingError(f"there is no such experiment; {advice}") from None
        name = name or DEFAULT_EXPERIMENT
        known = self.client.get_experiment_by_name(name)
        if known is None and create:
            location = artifacts_uri() if is_in_checkout() else None
            # MLflow then opens the experiment's page for trainings.
            tags = {"mlflow.experimentKind": "custom_model_development"}
            known = self.client.get_experiment(self.client.create_experiment(name, location, tags))
        if known and create and is_in_checkout() and known.artifact_location.endswith(f"/{_ARTIFACTS}"):
            _follow_checkout(known.artifact_location)
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
        return f"sqlite:///{home().resolve()}/{uri.removeprefix('sqlite:///')}"
    if re.match(r"[a-z0-9+]+:|databricks", uri):
        return uri
    return (home() / uri).resolve().as_uri()


def name_server() -> None:
    """Let other clients of MLflow in this process write where the project does: a worktree has no database."""
    os.environ[_URI_VARIABLE] = tracking_uri()
    if "MLFLOW_EXPERIMENT_ID" not in os.environ:
        os.environ.setdefault("MLFLOW_EXPERIMENT_NAME", DEFAULT_EXPERIMENT)


def artifacts_uri() -> str:
    """Return the address of the folder of artifacts next to the database in the checkout."""
    return (home() / _ARTIFACTS).resolve().as_uri()


def make_database() -> None:
    """Make the checkout's database, if it is not there, with all of its tables or not at all.

    MLflow needs seconds to make them, and refuses a database for ever in which a killed command has made some.
    """
    for name in ("mlflow.store.db.utils", "mlflow.tracking.fluent", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # an error is raised as well
    path = _database()
    if not is_in_checkout() or _is_finished(path):
        return
    from mlflow import MlflowClient

    unfinished = path.with_suffix(".db.new")
    with FileLock(home() / STATE / "locks" / "mlflow.lock"):
        if not _is_finished(path):
            # By a killed command, with SQLite's journals, which would be applied to the new file.
            for left in chain(path.parent.glob(f"{unfinished.name}*"), path.parent.glob(f"{path.name}-*")):
                left.unlink()
            MlflowClient(f"sqlite:///{unfinished}")
            unfinished.replace(path)


def _is_finished(path: Path) -> bool:
    """Return whether a database is there and has an experiment, which MLflow writes after it has made all tables.

    A killed `mlflow` of the user may have made some of them.
    """
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(path)) as database:
            return bool(database.execute("SELECT 1 FROM experiments").fetchone())
    except sqlite3.DatabaseError as error:  # any other one is MLflow's to tell
        return "no such table" not in str(error)


def _follow_checkout(before: str) -> None:
    """Let MLflow find artifacts after a move of the checkout: its database has absolute addresses of the old place."""
    if before == artifacts_uri():
        return
    columns = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}
    with closing(sqlite3.connect(_database())) as database, database:
        for table, column in columns.items():
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (before, artifacts_uri()))


def explain(error: Exception) -> str:
    """Return the kind and the first line of an error, and what to do; of our own the line alone, which says it."""
    kind = "" if isinstance(error, IterPrefError) else f"{type(error).__name__}: "
    reason = without_passwords(f"{kind}{error}".splitlines()[0])
    if is_in_checkout() and BROKEN.search(reason):
        reason += f"; move {_DATABASE} away: it has the history of runs, and no results"
    return reason


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


def _database() -> Path:
    return (home() / _DATABASE).resolve()


def _checkout_database() -> str:
    return f"sqlite:///{_database()}"


def is_in_checkout() -> bool:
    """Return whether the runs are in the checkout's own database."""
    return tracking_uri() == _checkout_database()
