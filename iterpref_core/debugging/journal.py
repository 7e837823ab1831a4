"""Finished trajectories on disk, so that a killed run resumes where it stopped."""

import fcntl
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from iterpref_core.errors import InputError
from iterpref_core.records import Trajectory


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
        self._offsets: dict[str, int] = {}
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise InputError(f"{path}: the same CodeFlow run is in progress elsewhere; wait for it or end it") from None
        self._load()

    def _load(self) -> None:
        end = 0
        self._file.seek(0)
        for line in self._file:
            try:
                task_id = Trajectory.model_validate_json(line).task_id
            except ValidationError:
                break
            if not line.endswith(b"\n"):
                break
            self._offsets[task_id] = end
            end += len(line)
        self._file.truncate(end)

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, task_id: str) -> bool:
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
