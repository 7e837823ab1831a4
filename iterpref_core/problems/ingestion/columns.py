"""Find the parts of a problem or pair in the columns of a row, as a preset or `--columns` names them.

prompt=instruction+input        texts of two columns, one after the other
prompt=problem|question         the first of these columns that holds something
tests=reward_model.ground_truth   a field of a column, which may be JSON in a text; of a list, of each of its items
chosen=answers.0.text           a field of the first item of a list, as `-1` is the last
language=                       no column has the language
reference?=solution             some rows have this column
winner=first-second:margin      what the column means; see `winner` in pairs/ingestion
passed=0:exit_code              the value of the column that means that the program passes; every other one fails
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iterpref_core.programs.source_code.language import is_python_3
from iterpref_core.records import ConfigError, is_null
from iterpref_core.storage.shards import ALL, VALIDATION, other_split, usual_split

from .values import Row, read_text_value

_OF_EVERY_ROW = ("prompt", "task_id", "language", "license", "split")
PARTS = {
    "answers": (
        *(*_OF_EVERY_ROW, "chosen", "rejected", "winner", "system", "problem_id", "tested"),
        *("chosen_spans", "rejected_spans", "localization"),
    ),
    "programs": (*_OF_EVERY_ROW, "buggy", "fixed", "tests", "problem_id", "entry_point", "module"),
    "edits": (*_OF_EVERY_ROW, "before", "after", "edit", "bug", "path", "repo", "base_commit"),
    "problems": (
        *_OF_EVERY_ROW,
        *("tests", "hidden_tests", "reference", "wrong"),
        *("entry_point", "setup", "starter_code", "time_limit", "task", "checker", "source", "module"),
    ),
    "submissions": (*_OF_EVERY_ROW, "program", "passed"),
}
"""The kinds of rows, each with its parts: a row of a preference set, a wrong and a right program, edits of files, a
problem, a program with its verdict. `task` is the kind of task, `source` the row's set, `module` the module that tests
import."""
EXAMPLES = {
    "answers": "prompt=instruction+input,chosen=accepted,rejected=rejected",
    "programs": "prompt=statement,buggy=buggy_code,fixed=fixed_code,tests=tests",
    "edits": "before=old_file,edit=diff",
    "problems": "prompt=question,reference=solution,tests=test_code",
    "submissions": "prompt=statement,task_id=problem,program=code,passed=status",
}
_SAME_PARTS = {"buggy": "rejected", "fixed": "chosen"}
"""The user's words for the programs of a pair."""
_NEEDED = ("prompt", "chosen", "rejected", *_SAME_PARTS, "program", "passed")
"""The parts that every row needs."""
MARGINS = ("first-second", "second-first")
"""The directions of a margin, as `--columns winner=` states them."""
_WINNER = re.compile(rf"({'|'.join(MARGINS)}|[^/:]+/[^/:]+):(.+)")
_EXIT_CODE = re.compile(r"exit|ret(urn)?_?(code|val)|status_?code|\brc\b|errno", re.IGNORECASE)
"""Names of columns in which 0 mostly means success."""
_ABSENT = object()
NULL_WORDS = ("None", "nan", "NaN")
"""The texts that pandas makes of nulls. A row may be called `null`."""
_EMPTY: tuple[Any, ...] = (*NULL_WORDS, "", "[]", "{}", [], {})
"""Empty values: `tests=a|b` reads `b` if `a` is empty."""


class DroppedError(Exception):
    """A row that is left out.

    Args:
        reason: counted as `dropped/<reason>`.
        explanation: the fault in a sentence.
    """

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason


@dataclass(frozen=True)
class Columns:
    """The columns of each part of a row.

    Attributes:
        names: part → columns, in the order of joining; a part that is left out has an empty list.
        example: an assignment of columns, for messages.
        stated: parts that the user names, and whose columns every row must have.
        split: the split to read of rows that state theirs; None: `train`.
        winner: the direction of a margin, one of `MARGINS`, or two values such as `0/1`; empty if not stated.
        passing: the value of `passed` that means that the program passes; empty if not stated.
    """

    names: Mapping[str, Sequence[str]]
    example: str
    stated: frozenset[str] = frozenset()
    split: str | None = None
    winner: str = ""
    passing: str = ""

    def values(self, row: Row, part: str) -> list[Any]:
        """Return the values in the columns of a part, without nulls.

        Raises:
            ValueError: the row lacks a column that the user names, or a column of a needed part.
        """
        found = []
        for column in self.names.get(part, ()):
            value = _look_up(row, column)
            if value is _ABSENT:
                if part in self.stated or part in _NEEDED:
                    raise ValueError(
                        f"no column `{column}`; there are {listed(row)}: name it with --columns, such as {self.example}"
                        + ("" if part in _NEEDED else f"; if some rows have it, write {part}?={column}")
                    )
            elif not is_null(value):
                found.append(value)
        # Beside an input, `None` is the word that a script prints.
        is_word = part in {"tests", "hidden_tests"} and len(found) > 1 and not all(map(NULL_WORDS.__contains__, found))
        return [value for value in found if is_word or value not in NULL_WORDS]

    def one(self, row: Row, part: str) -> Any:
        """Return the value of a part; None if the row has none. Several columns are one text.

        Raises:
            ValueError: the row lacks a column that the user names, or a joined column does not hold a text.
        """
        values = self.values(row, part)
        columns = self.names.get(part, ())
        if len(columns) < 2:
            return next(iter(values), None)
        if not self.has(row, part):
            return None
        if len(values) < len(columns) or not all(isinstance(value, str | int) for value in values):
            raise ValueError(f"columns {'+'.join(columns)}: each is a part of one text, and must have its part")
        return "".join(map(str, values))

    def name(self, row: Row, part: str) -> str:
        """Return the name in a part's column, such as an id, as text; an empty one if the row has none.

        Raises:
            ValueError: the row lacks a column that the user names, or the value is not a text or a whole number.
        """
        value = self.one(row, part)
        # In a column with nulls, pandas has decimal numbers.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
            return "" if value is None else str(value)
        raise ValueError(f"{part}: a text or whole number is expected; to pass over the column, add --columns {part}=")

    def has(self, row: Row, part: str) -> bool:
        """Return True if a part has columns, and a row has all of them."""
        columns = self.names.get(part, ())
        return bool(columns) and all(_look_up(row, column) is not _ABSENT for column in columns)

    def unread(self, row: Row) -> list[str]:
        """Return the names of a row's columns that hold something and that no part reads."""
        read = _first_names(self.names)
        return [name for name, value in row.items() if name not in read and value and not is_null(value)]

    def check_wanted(self, row: Row) -> None:
        """Check that a row is of the split that is read, and in Python.

        Raises:
            DroppedError: it is not.
            ValueError: the row lacks a column that the user names, or the language is not a text.
        """
        stated = self.one(row, "split")
        if other_split(stated, self.split):
            raise DroppedError(
                "other_split",
                f"its split is {stated!r}; --split {str(stated).strip()} reads it, and --columns split= every row",
            )
        for language in self.languages(row):
            if not is_python_3(language):
                raise DroppedError("not_python", f"its language is {language!r}; if it is not, add --columns language=")

    def kept_split(self, row: Row) -> Any:
        """Return the split that a pair keeps: `validation` if that is read; what the row states if all are."""
        if self.split == ALL:
            return self.one(row, "split")
        return VALIDATION if self.split and usual_split(self.split) == VALIDATION else None

    def modules(self, row: Row) -> list[str]:
        """Return the modules that tests may import the program from: the column's value and the user's word.

        `module=source` is either: a column `source` of a row may be the name of its set, which no test imports.
        """
        named = [*self.names.get("module", ())]
        return [self.name(row, "module"), *named] if self.has(row, "module") else named

    def languages(self, row: Row) -> list[str]:
        """Return the languages that a row's column states, one or a list of them; an empty text states none.

        Raises:
            ValueError: the column holds something else.
        """
        value = read_text_value(self.one(row, "language"))
        languages = [language for language in (value if isinstance(value, list) else [value]) if language]
        if not all(isinstance(language, str) for language in languages):
            raise ValueError("language: a text is expected; to pass over the column, add --columns language=")
        return languages


def _first_names(columns: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the columns that hold parts, without the names of fields in them."""
    return {name.partition(".")[0] for names in columns.values() for one in names for name in one.split("|")}


def _look_up(row: Row, column: str) -> Any:
    """Return the value of a column, or of the first of several that holds something; `_ABSENT` if all are absent."""
    found = _ABSENT
    for name in column.split("|"):
        value = row[name] if name in row else _at_path(row, name.split("."))
        text = value.strip() if isinstance(value, str) else value
        if not (value is _ABSENT or is_null(value) or text in _EMPTY):
            return value
        found = value if found is _ABSENT else found
    return found


def _at_path(value: Any, path: Sequence[str]) -> Any:
    value = read_text_value(value)
    if isinstance(value, list) and path[0].removeprefix("-").isdecimal():
        value = {str(place): item for start in (0, -len(value)) for place, item in enumerate(value, start)}
    if isinstance(value, list):
        inner = [_at_path(item, path) for item in value]
        # An item without the field keeps its place: two fields of a list belong together.
        found = [None if item is _ABSENT else item for item in inner]
        return _ABSENT if value and all(item is _ABSENT for item in inner) else found
    if not isinstance(value, Mapping) or path[0] not in value:
        return _ABSENT
    return _at_path(value[path[0]], path[1:]) if path[1:] else value[path[0]]


def listed(row: Row) -> str:
    """Return the names of a row's columns in one line; in a file that is not a table, a name may have many lines."""
    # {"1": {…}, "2": {…}, …} is an object of rows, and {"data": […]} has a list of them.
    if all(isinstance(value, Mapping) for value in row.values()) or row.keys() <= {"data", "rows", "train"}:
        return "lists or objects that seem to hold the rows; give these alone, as by `jq '.[]'`"
    return ", ".join(" ".join(name.split()) for name in row)


def parse_columns(
    text: str | None, kind: str = "answers", *, preset: str | None = None, split: str | None = None
) -> Columns:
    """Return the columns that `--columns` names; other parts take the preset's columns, or columns of their own names.

    A column that the user names for one part is not read for another, unless a preset names it.

    Args:
        text: such as `prompt=instruction+input,chosen=accepted`; see above.
        kind: the kind of the rows, a key of `PARTS`.
        preset: columns of a published set, in the same words; parts that it does not name have no columns.
        split: the split to read of rows that state theirs.

    >>> parse_columns("prompt=instruction+input,chosen=accepted").names["prompt"]
    ['instruction', 'input']

    Raises:
        ConfigError: the text is not of this form.
    """
    stated, optional = _assignments(text, kind) if text is not None else ({}, set())
    winner = "+".join(stated.get("winner", ()))
    meaning = _WINNER.fullmatch(winner)
    if meaning:
        stated["winner"] = meaning[2].split("+")
    elif winner:
        raise ConfigError(
            f"--columns winner={winner}: state what it means: the values that name the two answers, as in "
            f"winner=model_a/model_b:{winner}, or winner={MARGINS[0]}:{winner} for a number that is above 0 where the "
            "first answer is better"
        )
    passed = "+".join(stated.get("passed", ()))
    passing, _, column = passed.rpartition(":")
    if passing:
        stated["passed"] = [column]
    elif _EXIT_CODE.search(passed):
        raise unknown_verdict(f"{passed} seems to hold exit codes, of which 0 means success", passed)
    # With `prompt=task`, the column `task` is not the kind of task.
    used = _first_names(stated)
    defaults: dict[str, Sequence[str]] = {part: [part] for part in PARTS[kind] if part not in used or part in _NEEDED}
    # No column of that name is read without a word on what it means.
    defaults.pop("winner", None)
    if preset is not None:
        # Where a preset is silent, these columns are looked for all the same.
        defaults = {"license": ["license"], "split": ["split"], **_assignments(preset, kind)[0]}
    names = {_SAME_PARTS.get(part, part): columns for part, columns in {**defaults, **stated}.items()}
    return Columns(names, EXAMPLES[kind], frozenset(stated) - optional, split, meaning[1] if meaning else "", passing)


def unknown_verdict(fault: str, column: str) -> ConfigError:
    """Return the error that asks what the values of `passed` mean."""
    return ConfigError(f"--columns passed: {fault}; state the value that passes, as in passed=0:{column}")


def _assignments(text: str, kind: str) -> tuple[dict[str, Sequence[str]], set[str]]:
    """Return the columns that a text names for each part, and the parts that a row may lack.

    Raises:
        ConfigError: the text is not of this form.
    """
    columns: dict[str, Sequence[str]] = {}
    optional = set()
    for assignment in text.split(","):
        stated, equals, named = (word.strip() for word in assignment.partition("="))
        part = stated.removesuffix("?").strip()
        # `language=` leaves a part out.
        names = [name.strip() for name in named.split("+")] if named else []
        known = bool(equals) and part in PARTS[kind] and part not in columns and all(names)
        if not known or (part in _NEEDED and (part != stated or not names)):
            raise ConfigError(
                f"--columns {text!r}: {assignment!r} is none of {', '.join(PARTS[kind])} = a column; write it as "
                f"{EXAMPLES[kind]}"
            )
        columns[part] = names
        if part != stated:
            optional.add(part)
    return columns, optional
