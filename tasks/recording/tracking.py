"""MLflow tracking: one run per experiment, the stages nested in it.

Parameters, metrics (training curves over time), small artifacts, previews of outputs, data sets and models by their DVC
hash. Weights and data stay in DVC. MLflow's own imports are slow, so this module is imported only by whoever writes to
MLflow.
"""

import csv
import hashlib
import json
import logging
import math
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import mlflow
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_LOGGED_ARTIFACTS, MLFLOW_RUN_NOTE
from mlflow.utils.time import get_current_time_millis

from iterpref_core.config import Params
from iterpref_core.report.summary import read_summary
from tasks.common.dotted_keys import flatten
from tasks.common.paths import LOCK, PROBLEMS, REPORTS, STATE, SUMMARY, TRAJECTORIES, metrics_path
from tasks.common.stage_body import read_metrics
from tasks.recording.descriptions import describe_experiment, describe_origin, describe_stage, model_settings
from tasks.recording.dvc_graph import Stage, dvc_md5
from tasks.recording.dvc_pointers import POINTERS, Pointer, pointers_page
from tasks.recording.figures import failure_counts, figures_page
from tasks.recording.mlflow_delivery import TrackingServer, locked, tracking_uri, workspace
from tasks.recording.outbox import AwayError, Kind, Outbox, OutboxItem, deliver_leftovers, public_address
from tasks.recording.previews import write_previews
from tasks.recording.registry import describe_models
from tasks.recording.run_table import metric_name, table_page
from tasks.recording.stage_journal import read_events
from tasks.recording.traces import sample_traces

log = logging.getLogger("iterpref.run")

_DIRTY = "iterpref.dirty"


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
        self._git = _git_tags()

    def start_run(
        self,
        name: str,
        tags: Mapping[str, str],
        parent: str | None = None,
        *,
        note: str,
        prefect: str | None = None,
    ) -> str:
        """Create a run.

        Args:
            name: of the run.
            tags: of the run.
            parent: our name of the run that it is nested in.
            note: what it is, in Markdown; where it comes from is added.
            prefect: address of its page in Prefect.

        Returns:
            Our name of it.
        """
        run = uuid4().hex
        commit, dirty = self._git.get(MLFLOW_GIT_COMMIT), self._git.get(_DIRTY) == "True"
        origin = describe_origin(commit, dirty=dirty, root=workspace(), prefect=prefect)
        own = {MLFLOW_RUN_NOTE: f"{note}\n\n{origin}", **self._git}
        self.add("run", run, name=name, tags=own | dict(tags), parent=parent, time=get_current_time_millis())
        return run

    def start_experiment(
        self,
        params: Params,
        name: str | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
        stages: Iterable[str] = (),
        prefect: str | None = None,
    ) -> str:
        """Create the run that holds the stages.

        Args:
            params: of the experiment.
            name: of the run; None for one made of the parameters.
            tags: besides its own.
            stages: names of those that it will hold.
            prefect: address of its page in Prefect.

        Returns:
            Our name of it.
        """
        digest = params_digest(params)
        note = describe_experiment(params, stages)
        own = {"iterpref.params_md5": digest, **tags}
        run = self.start_run(name or f"experiment-{digest[:7]}", own, note=note, prefect=prefect)
        self.log_params(run, params.model_dump(mode="json"))
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

    def table(self, pages: str) -> str | None:
        """Address of the table of all evaluated models, below that of MLflow's pages; None where the server is away."""
        try:
            self.server.set_up()
        except AwayError:
            return None
        return f"{pages.rstrip('/')}{table_page(self.server.experiment_id)}"

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], time: int = 0, step: int = 0) -> None:
        """Log metrics at a time (milliseconds since the epoch; 0 for the present) and step."""
        values = {metric_name(key): float(value) for key, value in metrics.items()}
        # Neither inf nor nan can be written as JSON; MLflow takes both as text.
        shown = {key: value if math.isfinite(value) else str(value) for key, value in values.items()}
        self.add("metrics", run_id, metrics=shown, time=time or get_current_time_millis(), step=step)

    def log_params(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Log parameters, however many and however nested."""
        self.add("params", run_id, params={key: str(value) for key, value in flatten(values)})

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
    """The nested run of one stage, fed from its journal.

    Args:
        tracker: writes it.
        stage: whose run it is.
        experiment_run: our name of the run that it is nested in.
        params: of the experiment.
        cached: whether DVC had its results already.
        saved: the DVC experiment that its outputs will be part of, if there will be one.
        prefect: address of its page in Prefect.
    """

    def __init__(
        self,
        tracker: Tracker,
        stage: Stage,
        experiment_run: str,
        params: Params,
        *,
        cached: bool = False,
        saved: str | None = None,
        prefect: str | None = None,
    ):
        self.tracker = tracker
        self.stage = stage
        self._cached = cached
        self._saved = saved
        self._offset = 0
        self._step = 0
        tags = {"iterpref.stage": stage.name, "iterpref.cached": str(cached)}
        note = describe_stage(stage.name, cached=cached)
        self.run_id = tracker.start_run(stage.name, tags, experiment_run, note=note, prefect=prefect)
        self.experiment_run = experiment_run
        values = flatten(params.model_dump(mode="json"))
        chosen = {key: value for key, value in values if _covered(key, stage.params)}
        tracker.log_params(self.run_id, chosen | model_settings(stage.name, params))
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
        digests = {Path(path): dvc_md5(Path(path)) for path in self.stage.outputs}
        for path, digest in digests.items():
            self._log_output(path, digest)
        self._log_shown(metrics, digests)

    def _log_output(self, path: Path, digest: str) -> None:
        """Log an output by its hash, or all of it where people read it."""
        name = path.as_posix()
        if _is_model(name):
            self.tracker.add("model", self.run_id, name=path.name, path=name, digest=digest)
        elif _is_kept(path):
            self.tracker.log_artifact(self.run_id, path, path.parent.as_posix())
        else:
            for run in (self.run_id, self.experiment_run):
                self.tracker.add("inputs", run, datasets=[(name, digest, "output")], models=[])
        if path == REPORTS:
            self.tracker.add("described", self.run_id, **describe_models(read_summary(SUMMARY)))
        if path == TRAJECTORIES:
            sample = [item.model_dump(mode="json") for item in sample_traces(TRAJECTORIES, PROBLEMS)]
            self.tracker.add("traces", self.run_id, sample=sample)

    def _draw_figures(
        self, metrics: Mapping[str, float], outputs: Iterable[Path], curve: Sequence[Mapping[str, str]]
    ) -> str | None:
        """The page of figures; where somebody's own stage writes other metrics or results than ours, a warning."""
        try:
            return figures_page(self.stage.name, {**metrics, **failure_counts(outputs)}, curve)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            log.warning("%s has no figures in MLflow: %r", self.stage.name, error)
            return None

    def _log_shown(self, metrics: Mapping[str, float], digests: Mapping[Path, str]) -> None:
        """Log what the run's page shows of a stage whose bytes DVC holds: tables, figures, metrics, pointers."""
        metrics_file, curve = metrics_path(self.stage.name), read_curve(self.stage.name)
        tables: list[str] = []
        pointers = []
        with TemporaryDirectory() as name:
            folder = Path(name)
            for path, digest in digests.items():
                previews = write_previews(path, folder)
                tables += previews
                shown = ["all of it"] if _is_kept(path) else []
                shown += [f"`{table}`: {words}" for table, words in previews.items()]
                pointers.append(Pointer(path, digest, "; ".join(shown) or "nothing: DVC alone has it"))
            page = self._draw_figures(metrics, digests, curve)
            if page:
                (folder / "figures.html").write_text(page, encoding="utf-8")
            if curve:
                shutil.copy(metrics_file.with_suffix(".curve.csv"), folder / "curve.csv")
            shutil.copy(metrics_file, folder / "metrics.json")
            text = pointers_page(self.stage.name, pointers, self._saved)
            (folder / POINTERS).write_text(text, encoding="utf-8")
            for item in sorted(folder.iterdir()):
                self.tracker.log_artifact(self.run_id, item)
        if tables:
            shown_as = json.dumps([{"path": table, "type": "table"} for table in tables])
            self.tracker.add("tags", self.run_id, tags={MLFLOW_LOGGED_ARTIFACTS: shown_as})


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


def params_digest(params: Params) -> str:
    """md5 of the parameters' values, whatever the file's comments and order."""
    text = json.dumps(params.model_dump(mode="json"), sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _covered(key: str, prefixes: tuple[str, ...]) -> bool:
    return any(not prefix or key == prefix or key.startswith(prefix + ".") for prefix in prefixes)


def _is_model(path: str) -> bool:
    return path.split("/", maxsplit=1)[0] == "models"


def _is_kept(path: Path) -> bool:
    return path.parts[0] in ("reports", "results")


def clean_commit() -> str | None:
    """The commit of the tree; None where the tree differs from it, or there is no git repository."""
    tags = _git_tags()
    return tags[MLFLOW_GIT_COMMIT] if tags.get(_DIRTY) == "False" else None


def _git_tags() -> dict[str, str]:
    """The commit, and whether the tree differs from it; empty outside of a git repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        dirty = bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {MLFLOW_GIT_COMMIT: commit, _DIRTY: str(dirty)}


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=workspace(), capture_output=True, text=True, check=True).stdout.strip()
