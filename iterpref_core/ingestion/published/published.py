"""Published problem: a row of a public set as a problem, with the right and wrong programs that the set has for it.

A format is one file in `formats/` with the format's name. The file defines a row (the fields in the set's files), a
function that turns a row into a `PublishedProblem`, and `FORMAT`, which names both:

    class MySetRow(Row):
        question: str
        asserts: tuple[str, ...]
        answer: str

    def convert_my_set(row: MySetRow) -> PublishedProblem:
        problem = Problem(task_id=f"my_set/{row.row_number}", prompt=row.question, ...)
        return PublishedProblem(problem, right=(row.answer,))

    FORMAT = Format(MySetRow, convert_my_set, license="MIT")

No format runs programs, chooses tests, holds problems out, or renames problems: ingestion does so for all formats.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, field_validator

from iterpref_core.input_files import is_null
from iterpref_core.records import Problem, Record
from iterpref_core.storage.shards import ALL, other_splits

_OR = re.compile(r"\bor\b", re.IGNORECASE)


class Row(Record):
    """The base of the rows of published sets; of fields that a format does not name, only a split is looked at.

    Attributes:
        row_number: number among all rows of the sources, from 1; names the problem if the set does not.
        license: the license that the row states.
    """

    model_config = ConfigDict(extra="allow")

    row_number: int = 0
    license: Any = None

    @field_validator("*", mode="before")
    @classmethod
    def _null(cls, value: Any) -> Any:
        return None if is_null(value) else value

    @property
    def stated_license(self) -> str | None:
        """Return the row's license as an SPDX expression; of several, all must be kept to. None: it states none.

        Raises:
            ValueError: the field holds no text and no list of texts.
        """
        return read_license(self.license)

    def check_split(self, split: str | None) -> None:
        """Check that the row is of the split that is read, if it states one.

        Args:
            split: the split to read, as for `find_shards`; None: `train`.

        Raises:
            LeftOutError: the row is of another split.
        """
        for column, stated in other_splits(self.model_extra or {}, split).items():
            raise LeftOutError("other_split", explain_split(column, stated))

    def id_or_number(self, given: str | int | None) -> str | int:
        """Return the id that the set gives a row, or the row's number if the set gives none."""
        return self.row_number if given is None else given


def read_license(value: Any) -> str | None:
    """Return the license in a row's column, a text or a list of texts; None if there is none.

    >>> read_license("mit"), read_license(["MIT", "ISC"]), read_license("")
    ('mit', 'MIT AND ISC', None)
    >>> read_license(["MIT OR ISC", None, "GPL-3.0-only"])
    '(MIT OR ISC) AND GPL-3.0-only'

    Raises:
        ValueError: the column holds something else, which may state a license all the same.
    """
    names = [name for name in (value if isinstance(value, list) else [value]) if name is not None]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"a license is a text or a list of texts, not {type(value).__name__} {value!r}")
    stated = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(stated) < 2:
        return "".join(stated) or None
    # In SPDX's expressions AND binds more strongly than OR.
    return " AND ".join(f"({name})" if _OR.search(name) else name for name in stated)


def explain_split(column: str, stated: object) -> str:
    """Return the explanation for a row of another split than the one that is read."""
    return f"its `{column}` is {stated!r}; --split {str(stated).strip()} reads it, and --split {ALL} every row"


class LeftOutError(Exception):
    """A row that a format leaves out.

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
    """A row as a problem with programs, none of which has been run.

    Attributes:
        problem: the problem, without a reference; the first right program that passes will be the reference.
        right: programs that the set calls right, best first. Empty if the whole set has no right programs.
        wrong: programs that the set calls wrong.
        unjudged: programs that the set calls neither right nor wrong; the tests decide.
        other_readings: the problem with its tests read in other ways; the first reading that a right program passes is
            taken.
        left_out: number of programs in other languages, by language.
        tests_left_out: number of tests that are not used, by reason.
        limit_left_out: the reason why the row's time limit is not used; empty if it is, or if the row states none.
    """

    problem: Problem
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    other_readings: tuple[Problem, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    tests_left_out: Mapping[str, int] = field(default_factory=dict)
    limit_left_out: str = ""


@dataclass(frozen=True)
class Format:
    """A format of problem sets.

    Attributes:
        row: class of the rows of the set's files.
        convert: turns a row into a problem; raises LeftOutError for a row that is left out, and ValueError for a broken
            row, with the field's name in the message.
        license: SPDX of the license on the set's card; a row may state another. Empty for the user's own problems.
    """

    row: type[Row]
    convert: Callable[[Any], PublishedProblem]
    license: str
