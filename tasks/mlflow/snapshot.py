"""Snapshot: a command and the stages that are up to date in it, as they are written to MLflow.

What MLflow does not take is set aside, one file a command, with the reason. The files stand beside the stored answers
of models, so that they outlive a work pool's clone.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.addresses import ShownText, without_passwords
from tasks.mlflow.command import Command
from tasks.mlflow.execution import Execution
from tasks.paths import STATE, home

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Snapshot(BaseModel):
    """The state of a command.

    Attributes:
        command: the command.
        executions: the stages that are up to date, by name.
        status: in MLflow's words.
        error: why it failed.
        started: seconds since the epoch.
        ended: seconds since the epoch: now, while it runs.
        problems: why MLflow does not have it, by name of a stage, or of the run.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    command: Command
    executions: Mapping[str, Execution] = {}
    status: Status
    error: ShownText = ""
    started: float
    ended: float
    problems: dict[str, ShownText] = {}

    @property
    def path(self) -> Path:
        """The file in which it is set aside."""
        return set_aside_folder() / f"{self.command.key}.json"

    def set_aside(self, problems: Mapping[str, str]) -> None:
        """Keep it, with what was set aside of the same command before, until MLflow takes it."""
        with suppress(FileNotFoundError, InputError):
            before = Snapshot.read(self.path)
            self.executions = {**before.executions, **self.executions}
            self.started = min(before.started, self.started)
        self.problems = {what: without_passwords(reason) for what, reason in problems.items()}
        with atomic_writer(self.path) as file:
            file.write(self.model_dump_json(indent=2))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read one that was set aside.

        Raises:
            FileNotFoundError: another process has sent it meanwhile, and removed the file.
            InputError: it is torn, or of another version.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise InputError(f"{path} cannot be read ({error.error_count()} fields are wrong); remove it") from None


def set_aside_folder() -> Path:
    """Return the folder of what MLflow does not have."""
    return home() / STATE / "records"


def set_aside_files() -> list[Path]:
    """Return the files of what was set aside, the oldest first."""
    ages = {}
    for path in set_aside_folder().glob("*.json"):
        with suppress(FileNotFoundError):  # another process has sent it meanwhile, and removed the file
            ages[path] = path.stat().st_mtime_ns
    return sorted(ages, key=lambda path: ages[path])


def describe_set_aside() -> list[str]:
    """Return a line for each file that was set aside: its run, what of that MLflow does not have, and why."""
    lines = []
    for path in set_aside_files():
        try:
            snapshot = Snapshot.read(path)
        except FileNotFoundError:
            continue
        except InputError as error:
            lines.append(str(error))
            continue
        reasons = [f"{what}: {reason}" for what, reason in snapshot.problems.items()]
        lines.append(f"{snapshot.command.name}: {'; '.join(reasons)}")
    return lines
