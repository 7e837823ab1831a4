"""Show a run in the terminal. `flows.prefect_display` shows it on Prefect's pages as well."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

R = TypeVar("R")
Say = Callable[[str], object]
"""Shows a line of a task."""


class Terminal:
    """Print the lines of a run to stderr, each with the time and its task."""

    def say(self, line: str) -> None:
        """Show a line of the run."""
        print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)

    def show(self, name: str, before: Sequence[str], work: Callable[[Say], R]) -> R:  # noqa: ARG002
        """Run a task, in the thread that calls, and return its result.

        Args:
            name: the task's name.
            before: the tasks it waited for.
            work: the task. It returns False if its outputs were up to date.
        """
        return work(lambda line: self.say(f"{name}: {line}"))

    def page(self) -> str:
        """Return the address of the run's page; empty without a page."""
        return ""

    def end(self, folder: Path, key: str) -> None:
        """Show the results on the run's page; here the command prints them.

        Args:
            folder: the checkout or worktree with the results.
            key: identifies the run in MLflow; empty if all stages were up to date.
        """

    def table(self, rows: Sequence[Mapping[str, Any]], description: str) -> None:
        """Show a table on the run's page; here the command prints its own."""
