"""Columns: where in a row each part of a problem or pair stands, as a preset or `--columns` says it.

prompt=instruction+input        texts of two columns, one after the other
prompt=problem|question         the first of these columns that holds something
tests=reward_model.ground_truth   a field of a column, which may be JSON in a text; of a list, of each of its items
chosen=accepted:code            the column holds programs (`:code`), or answers in which they stand (`:answer`)
language=                       there is no such column
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from iterpref_core.problems.ingestion.values import read_text_value
from iterpref_core.programs.source_code.language import is_python_3
from iterpref_core.records.errors import ConfigError
from iterpref_core.records.input_files import is_null
from iterpref_core.storage.shards import ALL, other_split, other_splits

Kind = Literal["code", "answer"]
"""`code`: the column holds programs, which stay as they are. `answer`: it holds answers, in which programs stand."""

_OF_EVERY_ROW = ("prompt", "task_id", "language", "license", "split")
ANSWERS = (*_OF_EVERY_ROW, "chosen", "rejected", "system", "problem_id", "tested")
"""The parts of a row of a preference set."""
PROGRAMS = (*_OF_EVERY_ROW, "buggy", "fixed", "tests", "problem_id", "entry_point")
"""The parts of a row with a wrong and a right program."""
PROBLEMS = (
    *_OF_EVERY_ROW,
    *("tests", "hidden_tests", "reference", "wrong", "unjudged"),
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
_JOINED = (*_NEEDED[:-1], "tests", "hidden_tests", "reference", "wrong", "system", "setup")
"""The parts that may have several columns."""
_OTHER_NAMES = {
    "language": {"lang", "langs", "language", "languages"},
    "license": {"license", "licenses", "licence", "licences"},
}
"""Part → words in names of columns that may state it, such as `lang` or `max_stars_repo_licenses`."""
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")
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
            ValueError: the row lacks one of the columns.
        """
        found = [_look_up(row, column) for column in self.names[part]]
        for column, value in zip(self.names[part], found, strict=True):
            if value is _ABSENT:
                raise ValueError(
                    f"no column `{column}`; there are {listed(row)}: name it with --columns, such as {self.example}"
                )
        return [value for value in found if not is_null(value)]

    def given(self, row: Mapping[str, Any], part: str) -> list[Any]:
        """Return the values of a part that a row may lack; none if it lacks the columns.

        Raises:
            ValueError: the row lacks a column that the user names.
        """
        return self.values(row, part) if part in self.stated or self.has(row, part) else []

    def present(self, row: Mapping[str, Any], part: str) -> list[Any]:
        """Return the values of those columns of a part that a row has, without nulls.

        Raises:
            ValueError: the row lacks a column that the user names.
        """
        if part in self.stated:
            return self.values(row, part)
        found = [_look_up(row, column) for column in self.names[part]]
        return [value for value in found if value is not _ABSENT and not is_null(value)]

    def optional(self, row: Mapping[str, Any], part: str) -> Any:
        """Return the value of a part of a single column that a row may lack; None if it has none.

        Raises:
            ValueError: the row lacks a column that the user names.
        """
        return next(iter(self.given(row, part)), None)

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

    def has(self, row: Mapping[str, Any], part: str) -> bool:
        """Return True if a part has columns, and a row has all of them."""
        return bool(self.names[part]) and all(_look_up(row, name) is not _ABSENT for name in self.names[part])

    def unread(self, row: Mapping[str, Any]) -> list[str]:
        """Return the names of a row's columns that hold something and that no part reads."""
        read = {name.partition(".")[0] for columns in self.names.values() for one in columns for name in one.split("|")}
        return [
            name for name, value in row.items() if name not in read and not is_null(value) and value not in ("", [])
        ]

    def reason_against(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return the reason why a row's split or language leaves it out, and an explanation; else empty texts.

        Raises:
            ValueError: the row lacks a column that the user names, or the language is no text.
        """
        stated = self.optional(row, "split")
        if other_split(stated, self.split):
            return "other_split", explain_split(self.names["split"][0], stated)
        languages = self.languages(row)
        others = [language for language in languages if not is_python_3(language)]
        if not others:
            return "", ""
        advice = "" if "language" in self.stated else "; if the column says something else, add --columns language="
        return "not_python", f"its `{self.names['language'][0]}` is {others[0]!r}{advice}"

    def languages(self, row: Mapping[str, Any]) -> list[str]:
        """Return the languages that a row's column states, one or a list of them; an empty text states none.

        Raises:
            ValueError: the column holds something else.
        """
        value = read_text_value(self.optional(row, "language"))
        languages = value if isinstance(value, list) else [value]
        for language in languages:
            if not (language is None or isinstance(language, str)):
                raise ValueError(
                    f"column `{self.names['language'][0]}`: the name of a language is expected, not "
                    f"{type(value).__name__}; to read no such column, add --columns language="
                )
        return [language for language in languages if language]

    def states_python(self, row: Mapping[str, Any]) -> bool:
        """Return True if a column says that a row's programs are Python; a row of another language is left out."""
        if "language" in self.stated or self.has(row, "language"):
            return bool(self.languages(row))
        return any(_may_say(name, "language") and _is_python(value) for name, value in row.items())

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


def explain_split(column: str, stated: object) -> str:
    """Return the explanation for a row of another split than the one that is read."""
    return f"its `{column}` is {stated!r}; --split {str(stated).strip()} reads it, and --split {ALL} every row"


def _may_say(column: str, part: str) -> bool:
    return bool(_OTHER_NAMES[part] & {word.lower() for word in _WORD.findall(column)})


def _is_python(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(one, str) and is_python_3(one) for one in values)


def _may_state(column: str, part: str) -> ValueError:
    return ValueError(
        f"column `{column}` may state the {part}; add --columns {part}={column}, or {part}= to read no such column"
    )


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
    if preset is not None:
        known = parse_columns(preset, parts)
        own = {part: known.names[part] if part in known.stated else () for part in parts}
        # Where a preset is silent, these columns are looked for all the same.
        own |= {part: (part,) for part in ("license", "split") if part not in known.stated}
        overriding = parse_columns(text, parts)
        names = own | {part: overriding.names[part] for part in overriding.stated}
        return replace(overriding, names=names, kinds={**known.kinds, **overriding.kinds}, split=split)
    example = EXAMPLES[tuple(parts)]
    named: dict[str, tuple[str, ...]] = {}
    kinds: dict[str, Kind] = {}
    for assignment in [] if text is None else text.split(","):
        left, equals, right = assignment.partition("=")
        part = left.strip()
        columns, kind = _kind_of(right)
        names_of_part = tuple(name.strip() for name in columns.split("+")) if columns.strip() else ()
        unknown = part not in parts or part in named
        left_out = not names_of_part and part in _NEEDED
        if len(names_of_part) > 1 and part in parts and part not in _JOINED:
            raise ConfigError(
                f"--columns {text!r}: {part} is one column, not {len(names_of_part)}; join them in the file"
            )
        if not equals or unknown or left_out or not all(names_of_part):
            raise ConfigError(
                f"--columns {text!r}: {assignment!r} is none of {', '.join(parts)} = a column; write it as {example}"
            )
        named[part] = names_of_part
        if kind is not None:
            kinds[part] = kind
    every = {part: (part,) for part in parts} | named
    return Columns(names=every, example=example, kinds=kinds, stated=frozenset(named), split=split)


def _kind_of(text: str) -> tuple[str, Kind | None]:
    columns, colon, kind = text.rpartition(":")
    if colon and kind.strip() == "code":
        return columns, "code"
    if colon and kind.strip() == "answer":
        return columns, "answer"
    return text, None
