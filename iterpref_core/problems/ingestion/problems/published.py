"""Published problem: a row as a problem, with the right and wrong programs that its set has, none of which has run."""

from collections import Counter
from dataclasses import dataclass, field

from pydantic import ValidationError

from iterpref_core.records import Problem
from iterpref_core.records.errors import RecordError
from iterpref_core.storage.jsonl import describe_validation_error
from iterpref_core.storage.left_out import BAD_RECORD, Dropped


class LeftOutError(Exception):
    """A row that is left out.

    Args:
        reason: counted as `dropped/<reason>`.
        explanation: more for the user to know; may be empty.
    """

    def __init__(self, reason: str, explanation: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.explanation = explanation


def drop_for(error: Exception, where: str, name: str) -> Dropped:
    """Return the row in which an error arose, with the reason why it is left out: no row ends a run.

    Args:
        error: what was raised while the row was read.
        where: place of the row.
        name: name of the problem or pair, if it is known.
    """
    if isinstance(error, LeftOutError):
        return Dropped(error.reason, where, name, error.explanation)
    if isinstance(error, ValidationError):
        explanation = describe_validation_error(error)
    elif isinstance(error, ValueError | RecordError):
        explanation = str(error).removeprefix(f"{where}: ")
    else:
        # A row may break anything.
        explanation = f"{type(error).__name__}: {error}"
    return Dropped(BAD_RECORD, where, name, explanation)


@dataclass(frozen=True)
class PublishedProblem:
    """A row as a problem with programs.

    Attributes:
        problem: the problem, without a reference; the first right program that passes will be the reference.
        where: the place of the row.
        right: programs that the set calls right, best first. Empty if the set has no right programs.
        wrong: programs that the set does not call right; the tests decide.
        other_readings: the problem with its tests read in other ways; the first reading that a right program passes is
            taken.
        left_out: parts of the row that are not used: number of `programs_left_out/<language>`, of
            `tests_left_out/<reason>`, and of `time_limits_left_out/not_understood`.
    """

    problem: Problem
    where: str = ""
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    other_readings: tuple[Problem, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)
