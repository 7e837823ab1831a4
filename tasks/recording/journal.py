"""What a stage tells about itself while it runs: one JSON line an event, in `.iterpref/journals/<stage>.jsonl`.

The stage only writes lines, which costs nothing. Whoever runs it turns them into an MLflow run: the orchestrator
while the stage runs, or the stage itself at its end under a bare `dvc repro` (`tasks.recording.tracking`). So MLflow is
imported once for an experiment instead of once for a stage.
"""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel

from tasks.common.paths import JOURNALS

Status = Literal["FINISHED", "FAILED", "KILLED"]


SIGNALLED = 128
"""Exit codes from here on say which signal ended the stage, as in a shell."""


class Event(BaseModel):
    """A moment of a stage: metrics at a step, or its end with the reason. `time`: milliseconds since the epoch."""

    time: int
    metrics: dict[str, float] = {}
    step: int = 0
    status: Status | None = None
    exit_code: int = 0
    error: str = ""


class Journal:
    """The journal of the stage that runs in this process."""

    def __init__(self, stage: str) -> None:
        self.path = journal_path(stage)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = self.path.open("w", encoding="utf-8", buffering=1)
        self._append(Event(time=_now()))

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Record metrics at a step."""
        self._append(Event(time=_now(), metrics=dict(values), step=step))

    def close(self, exit_code: int, error: str = "") -> None:
        """Record how the stage ended."""
        self._append(Event(time=_now(), status=_status(exit_code), exit_code=exit_code, error=error))
        self._file.close()

    def _append(self, event: Event) -> None:
        self._file.write(json.dumps(event.model_dump(exclude_defaults=True)) + "\n")


_open: list[Journal] = []


def open_journal(stage: str) -> Journal:
    """Start the journal of the stage that this process runs; `record_metrics` writes to it from then on."""
    journal = Journal(stage)
    _open[:] = [journal]
    return journal


def record_metrics(values: Mapping[str, float], step: int) -> None:
    """Record metrics of a running stage, such as a training curve; does nothing in a process that runs no stage."""
    if _open:
        _open[0].metrics(values, step)


def forget_journal(stage: str) -> None:
    """Delete a stage's journal: if there is one later, the stage has run since."""
    journal_path(stage).unlink(missing_ok=True)


def journal_path(stage: str) -> Path:
    """Where a stage's journal is."""
    return JOURNALS / f"{stage}.jsonl"


def read_events(stage: str, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """Yield the whole events after a byte offset, each with the offset behind it; an unfinished line waits."""
    try:
        with journal_path(stage).open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                yield Event.model_validate_json(line), offset
    except FileNotFoundError:
        return


def _status(exit_code: int) -> Status:
    if exit_code >= SIGNALLED:
        return "KILLED"
    return "FAILED" if exit_code else "FINISHED"


def _now() -> int:
    return int(time.time() * 1000)
