"""Show the stages of the current flow run as tasks on Prefect's pages."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.utilities.urls import url_for

from flows.display import R, Say, Terminal
from iterpref_core.evaluation.report.standings import summary_standings
from iterpref_core.evaluation.report.summary_record import read_summary
from tasks.mlflow.pages import page_of_run
from tasks.paths import REPORTS, SUMMARY

CACHED = "Cached"
"""The name of a task's state if its outputs were up to date."""


class PrefectPages(Terminal):
    """Show a run on Prefect's pages. DVC is the only cache, so Prefect never caches or retries a task.

    Attributes:
        outcome: where the results are; empty before the end.
    """

    def __init__(self) -> None:
        self.outcome = ""
        self._states: dict[str, State[Any]] = {}

    def say(self, line: str) -> None:
        """Log a line of the flow run."""
        get_run_logger().info(line)

    def show(self, name: str, before: Sequence[str], work: Callable[[Say], R]) -> R:
        """Run a task of the current flow run. On the page, arrows lead to it from the tasks `before`."""

        def body() -> Any:
            result = work(get_run_logger().info)
            return Completed(name=CACHED, message="up to date in DVC", data=result) if result is False else result

        shown = task(name="stage", task_run_name=lambda: name, cache_policy=NO_CACHE, persist_result=False, retries=0)(
            body
        )
        # Prefect counts the runs of each key, and the counter is not safe for threads: each task gets its own key.
        shown.task_key = name
        known = [self._states[upstream] for upstream in before if upstream in self._states]
        self._states[name] = state = shown(return_state=True, wait_for=known)
        result: R = state.result()
        return result

    def page(self) -> str:
        """Return the address of the flow run's page."""
        return url_for("flow-run", flow_run.id) or ""

    def end(self, folder: Path, key: str) -> None:
        """Add the results to the flow run: the table of scores, the folder, and the run in MLflow."""
        self.outcome = f"results in {folder}"
        text = ""
        if (folder / SUMMARY).is_file():
            text = summary_standings(read_summary(folder / SUMMARY)).markdown()
            text += f"\nReport: {folder / REPORTS / 'index.html'}\n"
        if place := key and page_of_run(key):
            self.outcome += f"; in MLflow: {place}"
        create_markdown_artifact(f"{text}\n{self.outcome}", key="experiment", description="Results")

    def table(self, rows: Sequence[Mapping[str, Any]], description: str) -> None:
        """Add a sweep's table to the flow run."""
        create_table_artifact([dict(row) for row in rows], key="sweep", description=description)
