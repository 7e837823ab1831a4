"""Entry: a command and the stages that are up to date in it, kept in a file until MLflow has both.

The files stand beside the stored answers of models, so that they outlive a work pool's clone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.addresses import ShownText
from tasks.mlflow.command import Command
from tasks.mlflow.finished_stage import FinishedStage
from tasks.paths import STATE, home

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Entry(BaseModel):
    """The state of a command.

    Attributes:
        command: the command.
        stages: the stages that are up to date, by name.
        status: in MLflow's words.
        error: why it failed.
        started: seconds since the epoch.
        ended: seconds since the epoch: now, while it runs.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    command: Command
    stages: dict[str, FinishedStage] = {}
    status: Status = "RUNNING"
    error: ShownText = ""
    started: float
    ended: float

    @property
    def path(self) -> Path:
        """The file in which it is kept."""
        return entries_folder() / f"{self.command.key}.json"

    def keep(self) -> None:
        """Write the file. Rows of an earlier state of the command that MLflow does not have yet stay."""
        if self.path.is_file():
            before = Entry.read(self.path)
            self.stages = {**before.stages, **self.stages}
            self.started = min(before.started, self.started)
        with atomic_writer(self.path) as file:
            file.write(self.model_dump_json(indent=2))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an entry.

        Raises:
            InputError: it is torn, or of another version.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise InputError(f"{path} cannot be read ({error.error_count()} fields are wrong); remove it") from None


@contextmanager
def told_end(tell: Callable[[Status, str], object]) -> Iterator[None]:
    """Tell how the block has ended: with its status, and with the reason unless all went well."""
    try:
        yield
    except Exception as error:
        tell("FAILED", str(error) or type(error).__name__)
        raise
    except BaseException:
        tell("KILLED", "it was told to end")
        raise
    tell("FINISHED", "")


def entries_folder() -> Path:
    """Return the folder of the entries that MLflow does not have."""
    return home() / STATE / "mlflow"


def kept_entries() -> list[Path]:
    """Return the files of the entries that MLflow does not have, the oldest first."""
    return sorted(entries_folder().glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
