"""Rollouts, finished trajectories: what they kept busy, and their store in SQLite, from which a killed run resumes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from iterpref_core.records import Trajectory
from iterpref_core.storage.run_store import RunStore


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


_FAULTS = ""  # the key beside the task_ids, none of which is empty


class RolloutStore(RunStore):
    """A `RunStore` of rollouts by task_id, and of how many faults calls had.

    Raises:
        InputError: another run has this file open, or it is no such file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rollouts")

    def __getitem__(self, task_id: str) -> Rollout:
        trajectory, lanes = super().__getitem__(task_id)
        return Rollout(Trajectory.model_validate_json(trajectory), Busy(tuple(lanes)))

    def append(self, done: Rollout) -> None:
        """Add a trajectory for good."""
        self[done.trajectory.task_id] = done.trajectory.to_json(), done.busy.lanes

    def add_faults(self, faults: Mapping[str, int]) -> None:
        """Count faults of calls, by kind."""
        if faults:
            self[_FAULTS] = Counter(self.faults()) + Counter(faults)

    def faults(self) -> dict[str, int]:
        """Faults so far, over all restarts that were not killed."""
        return dict(sorted(super().__getitem__(_FAULTS).items())) if _FAULTS in self else {}
