"""Records: executions of stages and commands as files, until MLflow has them.

Each execution of a stage, and each run that holds stages, is a folder in `.iterpref/unsent` with `record.json` and the
files to be shown. The folder is there from the beginning, so that a killed execution is known. The sender removes it.
"""

import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import psutil
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from iterpref_core.storage.jsonl import atomic_writer
from tasks.dvc.lock import LockedStage
from tasks.mlflow.invocation import Invocation
from tasks.paths import STATE, home
from tasks.process import ProcessIdentity

RUN_VARIABLE = "ITERPREF_RUN"
"""Tells a stage's process the id of the run that holds it; absent under a bare `dvc repro`."""
PAGE_VARIABLE = "ITERPREF_PREFECT_PAGE"
"""Tells a stage's process the address of its page in Prefect."""

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

_FILE = "record.json"


class TornRecordError(Exception):
    """An unreadable record: its file is torn, or of another version."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder / _FILE} cannot be read ({reason}); remove its folder")
        self.folder = folder


def _this_process() -> ProcessIdentity:
    return ProcessIdentity.observe(psutil.Process())


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
        columns: values that tell its models apart, such as objective and beta.
        scores: pass@1 of its models on each benchmark, for the run that holds the stage.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    owner: ProcessIdentity = Field(default_factory=_this_process)
    invocation: Invocation
    started: float = Field(default_factory=time.time)
    ended: float | None = None
    status: Status = "RUNNING"
    error: str = ""
    problem: str = ""
    columns: dict[str, str] = {}
    scores: dict[str, float] = {}

    @property
    def folder(self) -> Path:
        """The folder that holds the record until it is sent."""
        return unsent() / self.id

    @property
    def files(self) -> Path:
        """The folder of the files that become artifacts of the run."""
        return self.folder / "files"

    def is_running(self) -> bool:
        """Return whether it still runs: it has no end, and was not killed."""
        return self.ended is None and not self.owner.is_gone()

    def save(self) -> None:
        """Write the record."""
        with atomic_writer(self.folder / _FILE) as file:
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
        locked: inputs, parameters and outputs with DVC's digests; without outputs if the stage failed.
        behind: the stages that made the inputs.
        metrics: the stage's metrics.
        curve: rows of a training's curve.
    """

    kind: Literal["stage"] = "stage"
    stage: str
    page: str = ""
    locked: LockedStage = LockedStage()
    behind: dict[str, LockedStage] = {}
    metrics: dict[str, float] = {}
    curve: list[dict[str, str]] = []

    @property
    def what(self) -> str:
        """The name for messages."""
        return self.stage


class RunRecord(_Record):
    """One run of `iterpref run`, or one point of a sweep, written by the process of the flow.

    Attributes:
        stages: the stages that are up to date at the end of the run, with DVC's digests.
        ran: names of the stages that ran in it.
    """

    kind: Literal["run"] = "run"
    stages: dict[str, LockedStage] = {}
    ran: list[str] = []

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
    try:
        content = (folder / _FILE).read_bytes()
        return _ANY_RECORD.validate_json(content)
    except OSError as error:
        raise TornRecordError(folder, str(error)) from None
    except ValidationError as error:
        raise TornRecordError(folder, f"{error.error_count()} fields are wrong") from None


def record_folders() -> list[Path]:
    """Return the folders of all records, the oldest first."""
    ages = {}
    for path in unsent().glob(f"*/{_FILE}"):
        with suppress(FileNotFoundError):  # another process has sent this record meanwhile, and removed it
            ages[path.parent] = path.stat().st_mtime_ns
    return sorted(ages, key=lambda folder: ages[folder])


def read_records() -> tuple[list[AnyRecord], list[TornRecordError]]:
    """Read all records, the oldest first; those that are unreadable are returned as errors."""
    records = []
    torn = []
    for folder in record_folders():
        try:
            records.append(read_record(folder))
        except TornRecordError as error:
            # Another process may have sent this record meanwhile, and removed it.
            if folder.is_dir():
                torn.append(error)
    return records, torn


def running_records() -> list[AnyRecord]:
    """Return the records without an end: their process still runs, or was killed."""
    records, _ = read_records()  # the process that sends records warns of the torn ones
    return [record for record in records if record.ended is None]


def own_record(stage: str) -> StageRecord | None:
    """Find the record of the stage that this process runs."""
    for record in running_records():
        if isinstance(record, StageRecord) and (record.stage, record.owner) == (stage, _this_process()):
            return record
    return None


def with_end(record: AnyRecord) -> AnyRecord:
    """Return a record of a process that is gone with its end: the one that the process wrote, or that it was killed."""
    # The process may have written the end after `record` was read.
    last = read_record(record.folder)
    if last.ended is None:
        # The time at which the record was last written is the last sign of life.
        last.ended = (last.folder / _FILE).stat().st_mtime
        last.end("KILLED", "killed: its process is gone")
    return last


def end_killed(stage: str, invocation: str, reason: str) -> None:
    """End the record of a stage that was killed, and so could not end the record itself."""
    for record in running_records():
        if isinstance(record, StageRecord) and (record.stage, record.invocation.id) == (stage, invocation):
            record.end("KILLED", reason)


class Waiting(NamedTuple):
    """A record that waits to be sent, and the reason.

    Attributes:
        what: its name for messages.
        since: seconds since the epoch.
        why: the reason; empty if nobody has tried to send it.
    """

    what: str
    since: float
    why: str


def waiting_records() -> list[Waiting]:
    """List the records that MLflow does not have, without those of processes that still run."""
    records, torn = read_records()
    found = [Waiting(error.folder.name, error.folder.stat().st_mtime, str(error)) for error in torn]
    for record in records:
        if not record.is_running():
            found.append(Waiting(record.what, record.started, record.problem))
    return found
