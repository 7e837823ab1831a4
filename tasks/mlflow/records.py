"""Records: executions of stages and commands as files, until MLflow has them.

Each execution of a stage, and each run that holds stages, is a folder in `.iterpref/unsent` with `record.json` and the
files to be shown. The folder is there from the beginning, so that a killed execution is known. The sender removes it.
"""

import os
import shutil
import socket
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from iterpref_core.storage.jsonl import atomic_writer
from tasks.dvc.lock import LockedStage
from tasks.git.worktree import home
from tasks.mlflow.invocation import Invocation
from tasks.paths import STATE
from tasks.process_start import process_start

RUN_VARIABLE = "ITERPREF_RUN"
"""Tells a stage's process the id of the run that holds it; absent under a bare `dvc repro`."""
PAGE_VARIABLE = "ITERPREF_PREFECT_PAGE"
"""Tells a stage's process the address of its page in Prefect."""

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class TornRecordError(Exception):
    """An unreadable record: its file is torn, or of another version."""


class Owner(BaseModel, frozen=True):
    """A process, with its start, because process ids are used again."""

    host: str = Field(default_factory=socket.gethostname)
    pid: int = Field(default_factory=os.getpid)
    start: float = Field(default_factory=lambda: process_start(psutil.Process()))

    def is_gone(self) -> bool:
        """Return whether the process has ended; of another machine's process nobody here knows that."""
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            return process_start(process) != self.start or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


class _Record(BaseModel):
    """A record of something that ran, with the fields that all kinds of records have.

    Attributes:
        id: unique, and the name of the record's folder.
        owner: the process that it is about.
        invocation: the run that holds the stage, or that it is about.
        started: seconds since the epoch.
        ended: seconds since the epoch; None while it runs.
        status: in MLflow's words.
        error: why it failed.
        problem: why MLflow does not have it yet.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    owner: Owner = Field(default_factory=Owner)
    invocation: Invocation
    started: float = Field(default_factory=time.time)
    ended: float | None = None
    status: Status = "RUNNING"
    error: str = ""
    problem: str = ""

    @property
    def folder(self) -> Path:
        """The folder that holds the record until it is sent."""
        return unsent() / self.id

    @property
    def files(self) -> Path:
        """The folder of the files that become artifacts of the run."""
        return self.folder / "files"

    def save(self) -> None:
        """Write the record."""
        with atomic_writer(self.folder / "record.json") as file:
            file.write(self.model_dump_json(indent=2))

    def end(self, status: Status, error: str = "") -> None:
        """Write into the record how it ended, and that it ended now unless an earlier end is known."""
        self.status = status
        self.error = error
        self.ended = self.ended or time.time()
        self.save()

    def remove(self) -> None:
        """Forget the record."""
        shutil.rmtree(self.folder)


class StageRecord(_Record):
    """One execution of a stage, written by the stage's own process.

    Attributes:
        stage: DVC's name of the stage.
        page: address of the stage's page in Prefect.
        columns: values that tell the stage's model apart, such as objective and beta.
        locked: inputs, parameters and outputs with DVC's digests; without outputs if the stage failed.
        behind: the stages that made the inputs.
        metrics: the stage's metrics.
        curve: rows of a training's curve.
        scores: every model's pass@1 that the stage measured or gathered, for the run that holds the stage.
    """

    kind: Literal["stage"] = "stage"
    stage: str
    page: str = ""
    columns: dict[str, str] = {}
    locked: LockedStage = LockedStage()
    behind: dict[str, LockedStage] = {}
    metrics: dict[str, float] = {}
    curve: list[dict[str, str]] = []
    scores: dict[str, float] = {}

    @property
    def what(self) -> str:
        """The name for messages."""
        return self.stage


class RunRecord(_Record):
    """One run of `iterpref run`, or one point of a sweep, written by the process of the flow.

    Attributes:
        stages: the stages that are up to date at the end of the run, with DVC's digests.
        ran: names of the stages that ran in it.
        columns: values that tell its models apart.
        scores: summary metrics of all its models.
    """

    kind: Literal["run"] = "run"
    stages: dict[str, LockedStage] = {}
    ran: list[str] = []
    columns: dict[str, str] = {}
    scores: dict[str, float] = {}

    @property
    def what(self) -> str:
        """The name for messages."""
        return self.invocation.name


AnyRecord = StageRecord | RunRecord
# Pydantic reads `kind` first, and then the fields of that kind of record.
_ANY_RECORD: TypeAdapter[AnyRecord] = TypeAdapter(Annotated[AnyRecord, Field(discriminator="kind")])


def unsent() -> Path:
    """Return the folder of the records that MLflow does not have yet."""
    return home() / STATE / "unsent"


def read_record(folder: Path) -> AnyRecord:
    """Read a record.

    Raises:
        TornRecordError: the file is torn, or of another version.
    """
    path = folder / "record.json"
    try:
        content = path.read_bytes()
        return _ANY_RECORD.validate_json(content)
    except (OSError, ValidationError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            reason = f"{error.error_count()} fields are wrong"
        raise TornRecordError(f"{path} cannot be read ({reason}); remove its folder") from None


def record_folders() -> list[Path]:
    """Return the folders of all records, the oldest first."""
    folder = unsent()
    if not folder.is_dir():
        return []
    ages = {}
    for path in folder.iterdir():
        try:
            status = path.stat()
        except FileNotFoundError:
            # Another process has sent this record meanwhile, and removed it.
            continue
        if stat.S_ISDIR(status.st_mode):
            ages[path] = status.st_mtime_ns
    return sorted(ages, key=lambda path: ages[path])


def running_records() -> Iterator[AnyRecord]:
    """Find the records without an end: their process still runs, or was killed."""
    for folder in record_folders():
        try:
            record = read_record(folder)
        except TornRecordError:
            # The process that sends records says so.
            continue
        if record.ended is None:
            yield record


def own_record(stage: str) -> StageRecord | None:
    """Find the record of the stage that this process runs."""
    for record in running_records():
        if isinstance(record, StageRecord) and (record.stage, record.owner) == (stage, Owner()):
            return record
    return None


def end_killed(stage: str, invocation: str, reason: str) -> None:
    """End the record of a stage that was killed, and so could not end the record itself."""
    for record in running_records():
        if isinstance(record, StageRecord) and (record.stage, record.invocation.id) == (stage, invocation):
            record.end("KILLED", reason)


class Waiting(BaseModel):
    """A record that waits to be sent, and the reason."""

    what: str
    since: float
    why: str


def waiting_records() -> list[Waiting]:
    """List the records that MLflow does not have, without those of processes that still run."""
    found = []
    for folder in record_folders():
        since = folder.stat().st_mtime
        try:
            record = read_record(folder)
        except TornRecordError as error:
            found.append(Waiting(what=folder.name, since=since, why=str(error)))
            continue
        if record.ended is None and not record.owner.is_gone():
            continue
        found.append(Waiting(what=record.what, since=record.started, why=record.problem))
    return found
