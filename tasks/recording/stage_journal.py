"""Stage journal, while it runs: one JSON line an event, in `.iterpref/journals/<stage>.jsonl`.

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


PROGRESS_EVERY_S = 1.0


class Progress(BaseModel):
    """How far a part of a stage is: `done` of `total` items."""

    label: str
    done: int
    total: int


class Event(BaseModel):
    """A moment of a stage: metrics at a step, progress, or its end with the reason.

    `time` is in milliseconds since the epoch. `lasting` is false of an error that may be gone when the stage runs
    again, such as a server that does not answer.
    """

    time: int
    metrics: dict[str, float] = {}
    step: int = 0
    progress: Progress | None = None
    status: Status | None = None
    exit_code: int = 0
    error: str = ""
    lasting: bool = True


class StageJournal:
    """The journal of the stage that runs in this process."""

    def __init__(self, stage: str) -> None:
        self.path = journal_path(stage)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = self.path.open("w", encoding="utf-8", buffering=1)
        self._next_progress = 0.0
        self._append(Event(time=_now()))

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Record metrics at a step."""
        self._append(Event(time=_now(), metrics=dict(values), step=step))

    def progress(self, label: str, done: int, total: int) -> None:
        """Record progress: the last, and one a second before."""
        now = time.monotonic()
        if done < total and now < self._next_progress:
            return
        self._next_progress = now + PROGRESS_EVERY_S
        self._append(Event(time=_now(), progress=Progress(label=label, done=done, total=total)))

    def close(self, exit_code: int, error: str = "", *, lasting: bool = True) -> None:
        """Record how the stage ended."""
        status = _status(exit_code)
        self._append(Event(time=_now(), status=status, exit_code=exit_code, error=error, lasting=lasting))
        self._file.close()

    def _append(self, event: Event) -> None:
        self._file.write(json.dumps(event.model_dump(exclude_defaults=True)) + "\n")


_open: list[StageJournal] = []


def open_journal(stage: str) -> StageJournal:
    """Start the journal of the stage that this process runs; `record_metrics` writes to it from then on."""
    journal = StageJournal(stage)
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
