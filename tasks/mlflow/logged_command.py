"""Logged command: a command of ours that brings stages up to date, and its run in MLflow."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tasks.dvc.lock import read_lock
from tasks.dvc.reproduction import Times
from tasks.mlflow.command import Command
from tasks.mlflow.entry import Entry, Status, told_end
from tasks.mlflow.finished_stage import FinishedStage, read_stage
from tasks.mlflow.sync import write_entry


class LoggedCommand:
    """A command while it runs.

    Attributes:
        command: the command. Its `variables` are for the processes of its stages.
        stages: the stages that are up to date, by name.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self._started = time.time()
        self.stages: dict[str, FinishedStage] = {}
        self._folder = Path()

    def add(self, stages: Iterable[str], times: Mapping[str, Times], folder: Path = Path()) -> None:
        """Add stages that are up to date.

        Args:
            stages: DVC's names of them.
            times: when they were run: of those that were.
            folder: the checkout or worktree in which they ran.
        """
        self._folder = folder.resolve()
        lock = read_lock(folder)
        for name in stages:
            # A stage without outputs is in no lock.
            if name in lock and (name in times or name not in self.stages):
                self.stages[name] = read_stage(name, lock[name], self._folder, times.get(name))

    def write(self, status: Status = "RUNNING", error: str = "") -> None:
        """Write to MLflow how far the command is."""
        entry = Entry(
            command=self.command,
            stages=dict(self.stages),
            status=status,
            error=error,
            started=self._started,
            ended=time.time(),
        )
        write_entry(entry, self._folder)


@contextmanager
def logged_command(command: Command) -> Iterator[LoggedCommand]:
    """Log the block as a command, whose run in MLflow gets one status at the end."""
    entry = LoggedCommand(command)
    with told_end(entry.write):
        yield entry
