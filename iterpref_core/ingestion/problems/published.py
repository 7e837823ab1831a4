"""Published problem: a row as a problem, with the right and wrong programs that its set has, none of which has run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from iterpref_core.records import Problem


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


@dataclass(frozen=True)
class PublishedProblem:
    """A row as a problem with programs.

    Attributes:
        problem: the problem, without a reference; the first right program that passes will be the reference.
        where: the place of the row.
        right: programs that the set calls right, best first. Empty if the set has no right programs.
        wrong: programs that the set calls wrong.
        unjudged: programs that the set calls neither right nor wrong; the tests decide.
        other_readings: the problem with its tests read in other ways; the first reading that a right program passes is
            taken.
        left_out: number of programs in other languages, by language.
        tests_left_out: number of tests that are not used, by reason.
        limit_left_out: the reason why the row's time limit is not used; empty if it is, or if the row states none.
    """

    problem: Problem
    where: str = ""
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    other_readings: tuple[Problem, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    tests_left_out: Mapping[str, int] = field(default_factory=dict)
    limit_left_out: str = ""
