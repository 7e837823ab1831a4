"""Finished trajectories on disk, so that a killed run resumes where it stopped."""

import fcntl
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

from pydantic import ValidationError

from iterpref_core.errors import InputError
from iterpref_core.records import Record, Trajectory

R = TypeVar("R", bound=Record)


def recover(file: IO[bytes], record: type[R]) -> Iterator[tuple[int, R]]:
    """Yield the records of an append-only JSONL file with their offsets; then cut off what a killed writer left."""
    end = 0
    file.seek(0)
    for line in file:
        try:
            found = record.model_validate_json(line)
        except ValidationError:
            break
        if not line.endswith(b"\n"):
            break
        yield end, found
        end += len(line)
    file.truncate(end)


class Journal:
    """An append-only JSONL file of trajectories with access by task_id; one offset per trajectory is held in memory.

    Each trajectory reaches the operating system before the next is begun, so `kill -9` costs at most the line being
    written; opening the journal cuts off such a broken end. A lock, which dies with its process, keeps a second run
    of the same work away.

    Raises:
        InputError: another process has this journal open.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise InputError(f"{path}: the same CodeFlow run is in progress elsewhere; wait for it or end it") from None
        self._offsets = {trajectory.task_id: offset for offset, trajectory in recover(self._file, Trajectory)}

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._offsets

    def append(self, trajectory: Trajectory) -> None:
        """Add a trajectory for good."""
        self._offsets[trajectory.task_id] = self._file.seek(0, 2)
        self._file.write(trajectory.to_json().encode() + b"\n")
        self._file.flush()

    def read(self, task_ids: Iterable[str]) -> Iterator[Trajectory]:
        """The trajectories of these problems, in the order asked for."""
        for task_id in task_ids:
            self._file.seek(self._offsets[task_id])
            yield Trajectory.model_validate_json(self._file.readline())

    def remove(self) -> None:
        """Delete the file: its contents have reached their destination."""
        self._path.unlink()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
