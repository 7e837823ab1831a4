"""Columns: the names of the columns with each part of a pair, from `--columns` or the usual ones."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from iterpref_core.errors import ConfigError
from iterpref_core.input_files import is_null
from iterpref_core.source_code.language import is_python_3
from iterpref_core.storage.shards import other_splits

Kind = Literal["code", "answer"]
"""`code`: the column holds programs, which stay as they are. `answer`: it holds answers, in which programs stand."""

ANSWERS = ("prompt", "chosen", "rejected", "task_id", "system", "language", "license", "problem_id", "tested", "split")
"""The parts of a row of a preference set."""
PROGRAMS = ("prompt", "buggy", "fixed", "tests", "language", "task_id", "problem_id", "license", "entry_point", "split")
"""The parts of a row with a wrong and a right program."""
EXAMPLE_OF_ANSWERS = "prompt=instruction+input,chosen=accepted,rejected=rejected"
EXAMPLE_OF_PROGRAMS = "prompt=statement,buggy=buggy_code,fixed=fixed_code,tests=tests"


@dataclass(frozen=True)
class Columns:
    """The columns of each part of a pair.

    Attributes:
        names: part → columns, in the order in which they are joined; no columns for a part that the user leaves out.
        kinds: part → what its columns hold, for parts of which the user says it.
        stated: parts that the user names.
        example: an assignment of columns, for messages.
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
            ValueError: the row lacks one of the columns.
        """
        for name in self.names[part]:
            if name not in row:
                raise ValueError(
                    f"no column `{name}`; there are {listed(row)}: name it with --columns, such as {self.example}"
                )
        return [row[name] for name in self.names[part] if not is_null(row[name])]

    def optional(self, row: Mapping[str, Any], part: str) -> Any:
        """Return the value of a part that a row may lack, of a single column; None if it has none.

        Raises:
            ValueError: the row lacks a column that the user names.
        """
        if part not in self.stated and not self.has(row, part):
            return None
        values = self.values(row, part)
        return values[0] if values else None

    def name(self, row: Mapping[str, Any], part: str) -> str | None:
        """Return the name in a part's column, such as an id, as text; None if the row has none, or an empty one.

        Raises:
            ValueError: the row lacks a column that the user names, or the value is no text and no whole number.
        """
        value = self.optional(row, part)
        try:
            return read_name(value, *self.names[part][:1])
        except ValueError as error:
            raise ValueError(f"{error}; to read no such column, add --columns {part}=") from None

    def check_unread(self, row: Mapping[str, Any]) -> None:
        """Refuse a row that may state language, license or split in a column of another name, which nobody names.

        Raises:
            ValueError: there is such a column; the message tells how to read it, or to pass it over.
        """
        for part in _OTHER_NAMES:
            if part in self.stated or self.has(row, part):
                continue
            for name, value in row.items():
                says = isinstance(value, str | list | dict) and bool(value)
                if says and _may_say(name, part) and not (part == "language" and _is_python(value)):
                    raise _may_state(name, part)
        if "split" not in self.stated and not self.has(row, "split"):
            for name in other_splits(row, self.split):
                raise _may_state(name, "split")

    def states_language(self, row: Mapping[str, Any]) -> bool:
        """Return True if a column says that a row's programs are Python; a row of another language is left out."""
        if "language" in self.stated or self.has(row, "language"):
            return bool(self.optional(row, "language"))
        return any(_may_say(name, "language") and _is_python(value) for name, value in row.items())

    def has(self, row: Mapping[str, Any], part: str) -> bool:
        """Return True if a part has columns, and a row has all of them."""
        return bool(self.names[part]) and all(name in row for name in self.names[part])


def listed(row: Mapping[str, Any]) -> str:
    """Return the names of a row's columns in one line; a file that is no table may have a text of many lines there."""
    return ", ".join(" ".join(name.split()) for name in row)


def read_name(value: Any, column: str = "") -> str | None:
    """Return a name in a row, such as an id, as text; None for null, with which no other value is equal.

    Null is an empty text in CSV. In a column with nulls, pandas has decimal numbers.

    >>> [read_name(value) for value in ("a", 7, 7.0, None, "", float("nan"))]
    ['a', '7', '7', None, None, None]

    Raises:
        ValueError: the value is no text and no whole number.
    """
    if is_null(value) or value == "":
        return None
    # Larger decimal numbers are not exact.
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"column `{column}`: a text or a whole number is expected, not {type(value).__name__}")


def _may_say(column: str, part: str) -> bool:
    return bool(_OTHER_NAMES[part] & {word.lower() for word in _WORD.findall(column)})


def _is_python(value: Any) -> bool:
    return isinstance(value, str) and is_python_3(value)


def _may_state(column: str, part: str) -> ValueError:
    return ValueError(
        f"column `{column}` may state the {part}; add --columns {part}={column}, or {part}= to read no such column"
    )


def parse_columns(text: str | None, parts: Sequence[str] = ANSWERS, example: str = EXAMPLE_OF_ANSWERS) -> Columns:
    """Return the columns that `--columns` names; other parts have the usual names.

    Args:
        text: such as `prompt=instruction+input,chosen=accepted`. `chosen=accepted:code` says that the column holds
            programs, `:answer` that it holds answers. `language=` says that a part has no column.
        parts: the parts that there are.
        example: an assignment of columns, for the message.

    >>> parse_columns("prompt=instruction+input,chosen=accepted:code").names["prompt"]
    ('instruction', 'input')

    Raises:
        ConfigError: the text is not of this form.
    """
    named: dict[str, tuple[str, ...]] = {}
    kinds: dict[str, Kind] = {}
    assignments = [] if text is None else text.split(",")
    for assignment in assignments:
        left, equals, right = assignment.partition("=")
        part = left.strip()
        columns, kind = _kind_of(right)
        names = tuple(name.strip() for name in columns.split("+")) if columns.strip() else ()
        unknown = part not in parts or part in named
        left_out = not names and part in _NEEDED
        if len(names) > 1 and part in parts and part not in _JOINED:
            raise ConfigError(f"--columns {text!r}: {part} is one column, not {len(names)}; join them in the file")
        if not equals or unknown or left_out or not all(names):
            raise ConfigError(
                f"--columns {text!r}: {assignment!r} is none of {', '.join(parts)} = a column; write it as {example}"
            )
        named[part] = names
        if kind is not None:
            kinds[part] = kind
    every = {part: (part,) for part in parts} | named
    return Columns(names=every, example=example, kinds=kinds, stated=frozenset(named))


_OTHER_NAMES = {
    "language": {"lang", "langs", "language", "languages"},
    "license": {"license", "licenses", "licence", "licences"},
}
"""Part → words in names of columns that may state it, such as `lang` or `max_stars_repo_licenses`."""
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")
_EXACT = 2**53
_NEEDED = ("prompt", "chosen", "rejected", "buggy", "fixed")
_JOINED = (*_NEEDED, "tests", "system")
"""The parts that may have several columns."""


def _kind_of(text: str) -> tuple[str, Kind | None]:
    columns, colon, kind = text.rpartition(":")
    if colon and kind.strip() == "code":
        return columns, "code"
    if colon and kind.strip() == "answer":
        return columns, "answer"
    return text, None
