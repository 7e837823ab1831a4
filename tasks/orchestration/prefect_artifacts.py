"""Prefect artifacts: progress, results, and the way to the record in MLflow.

An interface that cannot be told costs the run nothing: each artifact that is not taken is a line in the log.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run, task_run
from prefect.utilities.urls import url_for

from iterpref_core.progress import tell_watchers
from iterpref_core.report.summary import read_summary
from tasks.recording.stage_journal import read_events

log = logging.getLogger("iterpref.run")


class ProgressArtifacts:
    """A progress bar for every part of a stage that tells its progress, fed from the stage's journal."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._offset = 0
        self._bars: dict[str, UUID] = {}
        self._shown: dict[str, int] = {}

    def follow(self) -> None:
        """Show what the stage has told since the last call, to this process's watchers too; of each part the latest."""
        latest = {}
        for event, offset in read_events(self._stage, self._offset):
            self._offset = offset
            if event.progress is not None and event.progress.total > 0:
                latest[event.progress.label] = event.progress
        for label, progress in latest.items():
            tell_watchers(f"{self._stage}: {label}", progress.done, progress.total)
            with _tolerated(f"progress of {self._stage}"):
                self._show(label, 100 * progress.done / progress.total)

    def _show(self, label: str, percent: float) -> None:
        if label not in self._bars:
            key = _key(f"{self._stage}-{label}")
            made = create_progress_artifact(percent, key=key, description=f"{self._stage}: {label}")
            assert isinstance(made, UUID), "a task's thread has no event loop, so that the call is not asynchronous"
            self._bars[label] = made
        elif int(percent) != self._shown[label]:
            update_progress_artifact(self._bars[label], percent)
        self._shown[label] = int(percent)


def show_results(summary: Path, label: str = "") -> None:
    """A table artifact: every model's pass@1 on every benchmark, in percent.

    Args:
        summary: `reports/summary.json`.
        label: which of several experiments of a flow run it is.
    """
    rows = [
        {"model": model, "benchmark": benchmark, "pass@1": f"{100 * score['pass_at_1']:.1f}"}
        | {"95%": " to ".join(f"{100 * end:.1f}" for end in score["ci95"]), "n": score["n"]}
        for model, scores in read_summary(summary)["models"].items()
        for benchmark, score in scores.items()
    ]
    show_table(rows, f"results-{label}", f"{label}pass@1 in percent")


def show_table(rows: list[dict[str, Any]], key: str, description: str) -> None:
    """A table artifact, each row column → cell."""
    with _tolerated(f"the table of {description}"):
        create_table_artifact(rows, key=_key(key), description=description)


def show_link(url: str | None, label: str = "") -> None:
    """A link artifact to the experiment's run in MLflow, where its record has a page."""
    if url is None:
        return
    with _tolerated("the link to MLflow"):
        create_link_artifact(url, link_text=f"{label}MLflow", key=_key(f"mlflow-{label}"), description="Its record")


def flow_run_page() -> str | None:
    """Address of the present flow run's page in Prefect; None outside of one."""
    return url_for("flow-run", obj_id=flow_run.id) if flow_run.id else None


def task_run_page() -> str | None:
    """Address of the present task run's page in Prefect; None outside of one."""
    return url_for("task-run", obj_id=task_run.id) if task_run.id else None


def _key(text: str) -> str:
    """A name that Prefect takes for an artifact: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@contextmanager
def _tolerated(what: str) -> Iterator[None]:
    try:
        yield
    except (HTTPError, PrefectException) as error:
        log.warning("%s is not shown in Prefect: %s", what, error)
