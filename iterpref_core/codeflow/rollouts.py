"""Rollouts, finished trajectories: what they kept busy, and their store in SQLite, from which a killed run resumes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from iterpref_core.records import Trajectory
from iterpref_core.storage.sqlite import Database


class Lane(IntEnum):
    """What can be busy side by side; in rounds of batches nothing is, and all is in the first lane."""

    DRAFTER = 0
    REFINER = 1
    PROGRAMS = 2


@dataclass(frozen=True)
class Busy:
    """Seconds of a run's time by lane, as a problem's share of them. The fullest lane decides how long the run takes.

    A call of 8 s beside 63 others is 8 / 64 s of its model; a program of 2 s beside another is 1 s of the engine.

    >>> Busy().plus(Lane.PROGRAMS, 0.5).lanes
    (0.0, 0.0, 0.5)
    """

    lanes: tuple[float, ...] = (0.0,) * len(Lane)

    def plus(self, lane: Lane, seconds: float) -> "Busy":
        """With some more in one lane."""
        return Busy(tuple(before + seconds * (place == lane) for place, before in enumerate(self.lanes)))

    def __add__(self, other: "Busy") -> "Busy":
        return Busy(tuple(one + more for one, more in zip(self.lanes, other.lanes, strict=True)))


@dataclass(frozen=True)
class Rollout:
    """A trajectory that is complete."""

    trajectory: Trajectory
    busy: Busy


_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS finished (
    task_id BLOB PRIMARY KEY, record TEXT NOT NULL,
    lane_0 REAL NOT NULL, lane_1 REAL NOT NULL, lane_2 REAL NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS faults (kind TEXT PRIMARY KEY, count INTEGER NOT NULL)",
)


class RolloutStore:
    """A `Database` of finished trajectories; a context manager. Nothing is held in memory.

    The file is locked, until its process ends at the latest: a second run of the same work is kept away.

    Raises:
        InputError: another run has this file open, or it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = Database(path, _SCHEMA, exclusive=True)

    def __len__(self) -> int:
        row = self._data.row("SELECT count(*) FROM finished")
        assert row is not None
        return int(row[0])

    def __contains__(self, task_id: str) -> bool:
        return self._data.row("SELECT 1 FROM finished WHERE task_id = ?", (_key(task_id),)) is not None

    def __getitem__(self, task_id: str) -> Rollout:
        row = self._data.row("SELECT * FROM finished WHERE task_id = ?", (_key(task_id),))
        if row is None:
            raise KeyError(task_id)
        return Rollout(Trajectory.model_validate_json(row[1]), Busy(row[2:]))

    def append(self, done: Rollout) -> None:
        """Add a trajectory for good."""
        row = (done.trajectory.to_json(), *done.busy.lanes)
        self._data.execute("INSERT INTO finished VALUES (?, ?, ?, ?, ?)", (_key(done.trajectory.task_id), *row))

    def add_faults(self, faults: Mapping[str, int]) -> None:
        """Count faults of calls, by kind."""
        self._data.execute_many(
            "INSERT INTO faults VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count", faults.items()
        )

    def faults(self) -> dict[str, int]:
        """Faults so far, over all restarts that were not killed."""
        return dict(self._data.execute("SELECT kind, count FROM faults ORDER BY kind").fetchall())

    def remove(self) -> None:
        """Delete the file: its contents have reached their destination."""
        self._data.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()


def _key(task_id: str) -> bytes:
    return task_id.encode("utf-8", "surrogatepass")
