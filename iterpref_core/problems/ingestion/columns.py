"""Columns: where in a row each part of a problem or pair stands, as a preset or `--columns` says it.

prompt=instruction+input        texts of two columns, one after the other
prompt=problem|question         the first of these columns that holds something
tests=reward_model.ground_truth   a field of a column, which may be JSON in a text; of a list, of each of its items
chosen=accepted:code            the column holds programs (`:code`), or answers in which they stand (`:answer`)
language=                       there is no such column
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from iterpref_core.problems.ingestion.problems.published import LeftOutError
from iterpref_core.problems.ingestion.values import read_text_value
from iterpref_core.programs.source_code.language import is_python_3
from iterpref_core.records.errors import ConfigError
from iterpref_core.records.input_files import is_null
from iterpref_core.storage.shards import ALL, other_split

Kind = Literal["code", "answer"]
"""`code`: the column holds programs, which stay as they are. `answer`: it holds answers, in which programs stand."""

_OF_EVERY_ROW = ("prompt", "task_id", "language", "license", "split")
ANSWERS = (*_OF_EVERY_ROW, "chosen", "rejected", "system", "problem_id", "tested")
"""The parts of a row of a preference set."""
PROGRAMS = (*_OF_EVERY_ROW, "buggy", "fixed", "tests", "problem_id", "entry_point")
"""The parts of a row with a wrong and a right program."""
PROBLEMS = (
    *_OF_EVERY_ROW,
    *("tests", "hidden_tests", "reference", "wrong"),
    *("entry_point", "setup", "starter_code", "time_limit", "task", "checker", "source"),
)
"""The parts of a row with a problem. `task` says if a program is asked for, and `source` which set the row is from."""
SUBMISSIONS = (*_OF_EVERY_ROW, "program", "passed")
"""The parts of a row with one program and its verdict."""
EXAMPLES = {
    ANSWERS: "prompt=instruction+input,chosen=accepted,rejected=rejected",
    PROGRAMS: "prompt=statement,buggy=buggy_code,fixed=fixed_code,tests=tests",
    PROBLEMS: "prompt=question,reference=solution,tests=test_code",
    SUBMISSIONS: "prompt=statement,task_id=problem,program=code,passed=status",
}
_NEEDED = ("prompt", "chosen", "rejected", "buggy", "fixed", "program", "passed")
"""The parts without which a row says nothing."""
_JOINED = {*_NEEDED, "tests", "hidden_tests", "reference", "wrong", "system", "setup"} - {"passed"}
"""The parts that may have several columns."""
_ASSIGNMENT = re.compile(r"\s*(\w+)\s*=([^=]*?)(?::\s*(code|answer)\s*)?")
_EXACT = 2**53
_ABSENT = object()


@dataclass(frozen=True)
class Columns:
    """The columns of each part of a row.

    Attributes:
        names: part → columns, in the order in which they are joined; no columns for a part that the user leaves out.
        example: an assignment of columns, for messages.
        kinds: part → what its columns hold, for parts of which the user says it.
        stated: parts that the user names.
        split: the split to read of rows that state theirs; None: `train`.
    """

    names: Mapping[str, tuple[str, ...]]
    example: str
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    stated: frozenset[str] = frozenset()
    split: str | None = None

    def values(self, row: Mapping[str, Any], part: str) -> list[Any]:
        """Return the values in the columns of a part, without nulls.

        Raises:
            ValueError: the row lacks one of the columns, and the user names it, or no row can do without this part.
        """
        found = [_look_up(row, column) for column in self.names[part]]
        for column, value in zip(self.names[part], found, strict=True):
            if value is _ABSENT and (part in self.stated or part in _NEEDED):
                raise ValueError(
                    f"no column `{column}`; there are {listed(row)}: name it with --columns, such as {self.example}"
                )
        return [value for value in found if value is not _ABSENT and not is_null(value)]

    def one(self, row: Mapping[str, Any], part: str) -> Any:
        """Return the value of a part of a single column; None if the row has none.

        Raises:
            ValueError: the row lacks a column that the user names.
        """
        return next(iter(self.values(row, part)), None)

    def name(self, row: Mapping[str, Any], part: str) -> str | None:
        """Return the name in a part's column, such as an id, as text; None if the row has none, or an empty one.

        Raises:
            ValueError: the row lacks a column that the user names, or the value is no text and no whole number.
        """
        try:
            return read_name(self.one(row, part))
        except ValueError as error:
            raise ValueError(f"{part}: {error}; to read no such column, add --columns {part}=") from None

    def has(self, row: Mapping[str, Any], part: str) -> bool:
        """Return True if a part has columns, and a row has all of them."""
        return bool(self.names[part]) and all(_look_up(row, name) is not _ABSENT for name in self.names[part])

    def unread(self, row: Mapping[str, Any]) -> list[str]:
        """Return the names of a row's columns that hold something and that no part reads."""
        read = {name.partition(".")[0] for columns in self.names.values() for one in columns for name in one.split("|")}
        return [
            name for name, value in row.items() if name not in read and not is_null(value) and value not in ("", [])
        ]

    def check_wanted(self, row: Mapping[str, Any]) -> None:
        """Check that a row is of the split that is read, and in Python.

        Raises:
            LeftOutError: it is not.
            ValueError: the row lacks a column that the user names, or the language is no text.
        """
        check_split(self.one(row, "split"), self.split)
        for language in self.languages(row):
            if not is_python_3(language):
                raise LeftOutError(
                    "not_python",
                    f"its `{self.names['language'][0]}` is {language!r}; if it says something else, add --columns "
                    "language=",
                )

    def languages(self, row: Mapping[str, Any]) -> list[str]:
        """Return the languages that a row's column states, one or a list of them; an empty text states none.

        Raises:
            ValueError: the column holds something else.
        """
        value = read_text_value(self.one(row, "language"))
        languages = value if isinstance(value, list) else [value]
        if not all(language is None or isinstance(language, str) for language in languages):
            raise ValueError("language: a text is expected; to read no such column, add --columns language=")
        return [language for language in languages if language]


def check_split(stated: object, split: str | None) -> None:
    """Check that a row is of the split that is read.

    Raises:
        LeftOutError: the row states another one.
    """
    if other_split(stated, split):
        raise LeftOutError(
            "other_split", f"its split is {stated!r}; --split {str(stated).strip()} reads it, --split {ALL} every row"
        )


def _look_up(row: Mapping[str, Any], column: str) -> Any:
    """Return the value of a column, or of the first of several that holds something; `_ABSENT` if all are absent."""
    found = _ABSENT
    for name in column.split("|"):
        value = row[name] if name in row else _at_path(row, name.split(".")) if "." in name else _ABSENT
        if value is not _ABSENT and not is_null(value) and value != "":
            return value
        found = value if found is _ABSENT else found
    return found


def _at_path(value: Any, path: Sequence[str]) -> Any:
    for place, name in enumerate(path):
        value = read_text_value(value)
        if isinstance(value, list):
            inner = [_at_path(item, path[place:]) for item in value]
            return [item for item in inner if item is not _ABSENT] if inner else []
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    return value


def listed(row: Mapping[str, Any]) -> str:
    """Return the names of a row's columns in one line; a file that is no table may have a text of many lines there."""
    return ", ".join(" ".join(name.split()) for name in row)


def read_name(value: Any) -> str | None:
    """Return a name in a row, such as an id, as text; None for null, with which no other value is equal.

    Null is an empty text in CSV. In a column with nulls, pandas has decimal numbers.

    >>> [read_name(value) for value in ("a", 7, 7.0, None, "")]
    ['a', '7', '7', None, None]

    Raises:
        ValueError: the value is no text and no whole number.
    """
    if value is None or value == "":
        return None
    # Larger decimal numbers are not exact.
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"a text or a whole number is expected, not {type(value).__name__}")


def parse_columns(
    text: str | None, parts: Sequence[str] = ANSWERS, *, preset: str | None = None, split: str | None = None
) -> Columns:
    """Return the columns that `--columns` names; other parts have those of a preset, or columns of their own names.

    Args:
        text: such as `prompt=instruction+input,chosen=accepted:code`; see above.
        parts: the parts that there are, one of `EXAMPLES`.
        preset: columns of a published set, in the same words; parts that it does not name have no columns.
        split: the split to read of rows that state theirs.

    >>> parse_columns("prompt=instruction+input,chosen=accepted:code").names["prompt"]
    ('instruction', 'input')

    Raises:
        ConfigError: the text is not of this form.
    """
    own: dict[str, tuple[str, ...]] = {part: (part,) for part in parts}
    kinds: dict[str, Kind] = {}
    if preset is not None:
        known, kinds = _assignments(preset, parts)
        # Where a preset is silent, these columns are looked for all the same.
        own = dict.fromkeys(parts, ()) | {"license": ("license",), "split": ("split",)} | known
    stated, stated_kinds = _assignments(text, parts) if text is not None else ({}, {})
    return Columns(own | stated, EXAMPLES[tuple(parts)], kinds | stated_kinds, frozenset(stated), split)


def _assignments(text: str, parts: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], dict[str, Kind]]:
    """Return part → columns, and part → what they hold, as a text says them.

    Raises:
        ConfigError: the text is not of this form.
    """
    columns: dict[str, tuple[str, ...]] = {}
    kinds: dict[str, Kind] = {}
    for assignment in text.split(","):
        found = _ASSIGNMENT.fullmatch(assignment)
        part, stated, kind = found.groups() if found else ("", "", None)
        names = tuple(name.strip() for name in stated.split("+")) if stated.strip() else ()
        refused = not names if part in _NEEDED else len(names) > 1 and part not in _JOINED
        if part not in parts or part in columns or not all(names) or refused:
            raise ConfigError(
                f"--columns {text!r}: {assignment!r} is none of {', '.join(parts)} = a column; write it as "
                f"{EXAMPLES[tuple(parts)]}"
            )
        columns[part] = names
        if kind is not None:
            kinds[part] = "code" if kind == "code" else "answer"
    return columns, kinds
