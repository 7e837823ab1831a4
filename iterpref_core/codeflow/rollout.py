"""Rollout: a finished trajectory, and the seconds for which it kept drafter, refiner and engine busy."""

from dataclasses import dataclass
from enum import IntEnum

from iterpref_core.records import Trajectory


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
