"""Display: where a run is shown. Without a Prefect server that is the terminal alone."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

R = TypeVar("R")
Say = Callable[[str], object]
"""A function that shows a line of a task."""


class Terminal:
    """A run whose lines stand on stderr, each with the time and its task."""

    def say(self, line: str) -> None:
        """Show a line of the run."""
        print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)

    def show(self, name: str, before: Sequence[str], work: Callable[[Say], R]) -> R:  # noqa: ARG002
        """Run a task, in the thread that calls, and return its result.

        Args:
            name: of the task.
            before: the tasks that it has waited for.
            work: the task; a result that is False says that it had nothing to do.
        """
        return work(lambda line: self.say(f"{name}: {line}"))

    def page(self) -> str:
        """Return the address of the run's page; empty if it has none."""
        return ""

    def end(self, folder: Path, key: str) -> None:
        """Show the results on the run's page; here the command prints them.

        Args:
            folder: the checkout or worktree with the results.
            key: identifies the run in MLflow; empty if nothing was to be done.
        """

    def table(self, rows: Sequence[Mapping[str, Any]], description: str) -> None:
        """Show a table on the run's page; here the command prints its own."""
