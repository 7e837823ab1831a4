"""Published problem: a row of a public set as a problem, with the right and wrong programs that the set has for it.

A format is one file in `formats/`, called as the format is. It defines a row (what the set's files hold), a function
that makes a `PublishedProblem` of a row, and `FORMAT`, which names both:

    class MySetRow(Row):
        question: str
        asserts: tuple[str, ...]
        answer: str

    def convert_my_set(row: MySetRow) -> PublishedProblem:
        problem = Problem(task_id=f"my_set/{row.row_number}", prompt=row.question, ...)
        return PublishedProblem(problem, right=(row.answer,))

    FORMAT = Format(MySetRow, convert_my_set, license="MIT")

What every format leaves to others: running the programs, choosing tests, held-out shares, names that repeat.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from iterpref_core.records import Problem, Record


class Row(Record):
    """Base of the rows of published sets; fields that a format does not name are ignored.

    Attributes:
        row_number: place among all rows of the sources, from 1; the name of a problem whose set names none.
    """

    row_number: int = 0


class LeftOutError(Exception):
    """A row that a format leaves out.

    Args:
        reason: counted as `dropped/<reason>`.
        explanation: what a user may want to know beside it; may be empty.
    """

    def __init__(self, reason: str, explanation: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.explanation = explanation


@dataclass(frozen=True)
class PublishedProblem:
    """A row, as far as it can be understood without running anything.

    Attributes:
        problem: the problem, without a reference: the first right program that passes becomes that.
        right: programs that the set calls right, best first. Empty where the set has none for any problem.
        wrong: programs that the set calls wrong.
        unjudged: programs about which the set does not say either; the tests decide.
        other_readings: the same problem, where its tests can be read in several ways; the reading counts that a right
            program passes.
        left_out: how many programs are in other languages, by language.
    """

    problem: Problem
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    other_readings: tuple[Problem, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A format of problem sets.

    Attributes:
        row: a row of the set's files.
        convert: makes a problem of a row; raises LeftOutError for one that is left out, ValueError for one that is
            broken, with the field's name in the message.
        license: what the set's card says, as SPDX; a row may say another. Empty where the problems are the user's own.
    """

    row: type[Row]
    convert: Callable[[Any], PublishedProblem]
    license: str
