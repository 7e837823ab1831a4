"""Repair rows: each row of a buggy and a fixed program is read, and checked as far as possible without running it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iterpref_core.config import PairsParams
from iterpref_core.errors import ConfigError, InputError
from iterpref_core.ingestion.preference_sets.answers import (
    is_no_program,
    is_program,
    marks_program,
    reason_against_names,
)
from iterpref_core.ingestion.preference_sets.columns import Columns, listed, read_name
from iterpref_core.ingestion.preference_sets.preference_pairs import (
    joined_prompt,
    numbered_rows,
    read_object,
    reason_against_row,
    take_name,
)
from iterpref_core.ingestion.published.programs import language_of
from iterpref_core.ingestion.published.published import LeftOutError, read_license
from iterpref_core.ingestion.repairs.row_tests import read_tests
from iterpref_core.ingestion.row_text import reason_not_to_write
from iterpref_core.input_files import is_null
from iterpref_core.pairs.filters import drop_reason
from iterpref_core.records import PreferencePair, Problem, unnumbered
from iterpref_core.source_code.line_diff import diff_lines
from iterpref_core.storage.items import Item
from iterpref_core.storage.left_out import BAD_RECORD, Dropped

REPAIR_PROMPT = "Correct this Python program:\n\n```python\n{buggy}\n```"
"""The task of a row that has no statement: its own buggy program."""
_JOINED_ROWS = "joined_rows"
"""The name for rows of a second file, in the counts of what is left out."""


@dataclass(frozen=True)
class Repair:
    """A buggy and a fixed program of one problem.

    Attributes:
        where: place of the row.
        pair: the pair, before its programs were run.
        readings: the problem with the row's tests, once for each reading of them; empty if the row has no tests.
        distance: number of lines in which the programs differ.
        language_stated: True if the row says that its programs are Python.
    """

    where: str
    pair: PreferencePair
    readings: tuple[Problem, ...]
    distance: int
    language_stated: bool


@dataclass(frozen=True)
class Join:
    """Rows of a second file, such as statements, by the value of a column.

    Attributes:
        column: column of the first file.
        rows: value → row.
    """

    column: str
    rows: Mapping[str, Mapping[str, Any]]

    def extend(self, row: Mapping[str, Any], columns: Columns) -> Mapping[str, Any]:
        """Return a row with the columns of its partner; columns of its own stay, except nulls. Both licenses count.

        Raises:
            LeftOutError: there is no partner, or the row's value is null.
            ValueError: the row lacks the column, its value is no name, or a license is no text.
        """
        if self.column not in row:
            raise ValueError(f"no column `{self.column}`, which --join names; there are {listed(row)}")
        key = read_name(row[self.column], self.column)
        if key is None:
            raise LeftOutError("not_joined", f"its `{self.column}` is null")
        partner = self.rows.get(key)
        if partner is None:
            raise LeftOutError("not_joined", f"the joined file has no row with {self.column} {key!r}")
        own = {name: value for name, value in row.items() if not is_null(value)}
        # A null of a column that the partner lacks stays: without it the column would count as misspelled.
        joined = {**row, **partner, **own}
        for name in columns.names["license"]:
            licenses = [read_license(source.get(name)) for source in (row, partner)]
            if any(licenses):
                joined[name] = licenses
        return joined


def read_join(path: Path, how: str, leave_out: Callable[[Dropped], None]) -> Join:
    """Read the file of `--join FILE on=COLUMN`, or `on=COLUMN:COLUMN OF THE FILE`.

    With `all=` in place of `on=`, a value may have several rows, such as the tests of a problem; each of their columns
    becomes a list.

    Args:
        path: the file.
        how: the columns.
        leave_out: takes the rows that no other row can be joined with.

    Raises:
        ConfigError: `how` is not of this form.
        InputError: the file is absent, lacks the column, or has two different rows of one value with `on=`.
    """
    word, _, columns = how.partition("=")
    column, _, other = columns.partition(":")
    if word not in {"on", "all"} or not column:
        raise ConfigError(f"--join {path} {how}: write it as --join {path} on=COLUMN, or all=COLUMN")
    other = other or column
    rows: dict[str, dict[str, Any]] = {}
    has_column = False
    for item in numbered_rows([path]):
        row = read_object(item)
        if isinstance(row, Dropped):
            leave_out(replace(row, part=_JOINED_ROWS))
            continue
        has_column = has_column or other in row
        try:
            key = read_name(row.get(other), other)
        except ValueError as error:
            leave_out(Dropped(BAD_RECORD, str(item.where), explanation=str(error), part=_JOINED_ROWS))
            continue
        if key is None:
            explanation = f"its `{other}` is null"
            leave_out(Dropped("null", str(item.where), explanation=explanation, part=_JOINED_ROWS))
        elif word == "all":
            _collect(row, rows.setdefault(key, {}), other, item)
        elif rows.setdefault(key, row) != row:
            raise InputError(
                f"{item.where}: a second row with {other} {key!r}, and they differ; join by another column, "
                f"or take all rows with all={columns}"
            )
    if not has_column:
        raise InputError(f"{path}: no row has the column {other!r}, which --join names; name another one")
    return Join(column, rows)


def _collect(row: Mapping[str, Any], lists: dict[str, Any], key: str, item: Item) -> None:
    """Add a row's values to the lists of its columns.

    Raises:
        InputError: the row has other columns than the rows before.
    """
    names = [name for name in row if name != key]
    if lists and set(lists) != set(names):
        raise InputError(f"{item.where}: its columns are {', '.join(names)}, and those before {', '.join(lists)}")
    for name in names:
        lists.setdefault(name, []).append(row[name])


def read_repairs(
    item: Item,
    columns: Columns,
    join: Join | None,
    names: Counter[str],
    license: str | None,
    params: PairsParams,
) -> Iterator[Repair | Dropped]:
    """Yield the repairs of a row, one for each buggy program; what is left out has its reason. No row ends the run."""
    where = str(item.where)
    name = ""
    try:
        read = read_object(item)
        if isinstance(read, Dropped):
            yield read
            return
        row: Mapping[str, Any] = read
        # A name that repeats is that of a problem with several buggy programs.
        name = columns.name(row, "task_id") or f"pair-{item.number}"
        if join is not None:
            row = join.extend(row, columns)
        for buggy in _buggy(row, columns):
            yield _repair(row, buggy, name, take_name(name, names), where, columns, license, params)
    except LeftOutError as error:
        yield Dropped(error.reason, where, name, error.explanation)
    except ValueError as error:
        yield Dropped(BAD_RECORD, where, name, str(error))
    except Exception as error:  # noqa: BLE001 - a row may break anything; the row is counted and named, and no other lost
        yield Dropped(BAD_RECORD, where, name, f"{type(error).__name__}: {error}")


def _buggy(row: Mapping[str, Any], columns: Columns) -> list[str]:
    """Return the buggy programs of a row: one, or a list of them; an empty text for each that is not there.

    Raises:
        ValueError: the columns hold something else.
    """
    values = columns.values(row, "buggy")
    if len(columns.names["buggy"]) == len(values) == 1 and isinstance(values[0], list):
        programs = ["" if text is None else text for text in values[0]]
        if all(isinstance(text, str) for text in programs):
            return list(dict.fromkeys(programs)) or [""]
        raise ValueError(f"column `{columns.names['buggy'][0]}`: one program or a list of programs is expected")
    return [_code(row, columns, "buggy")]


def _code(row: Mapping[str, Any], columns: Columns, part: str) -> str:
    """Return a program as it stands; several columns are put together without anything between them.

    Raises:
        ValueError: a column holds no text, or is null while another one of the program is not.
    """
    values = columns.values(row, part)
    if values and len(values) < len(columns.names[part]):
        raise ValueError(
            f"columns {'+'.join(columns.names[part])}: one of them is null, so a part of the program is missing"
        )
    for value in values:
        if not isinstance(value, str):
            raise ValueError(
                f"columns {'+'.join(columns.names[part])}: one program is expected, not a {type(value).__name__}"
            )
    return "".join(values)


def _repair(
    row: Mapping[str, Any],
    buggy: str,
    row_name: str,
    name: str,
    where: str,
    columns: Columns,
    license: str | None,
    params: PairsParams,
) -> Repair | Dropped:
    reason, explanation = reason_against_row(row, columns)
    if reason:
        return Dropped(reason, where, name, explanation)
    fixed = _code(row, columns, "fixed")
    reason, explanation = _reason_against(buggy, fixed)
    if reason:
        return Dropped(reason, where, name, explanation)
    entry_point = columns.name(row, "entry_point") or ""
    problem_id = columns.name(row, "problem_id")
    if problem_id is None and unnumbered(name) != row_name:
        problem_id = row_name
    pair = PreferencePair(
        task_id=name,
        prompt=_prompt(row, buggy, columns),
        chosen=fixed,
        rejected=buggy,
        problem_id=problem_id,
        license=read_license(columns.optional(row, "license")) or license,
        tested=False,
    )
    unwritable = reason_not_to_write(pair)
    if unwritable:
        return Dropped(BAD_RECORD, where, explanation=unwritable)
    # The pairs' length in tokens depends on the model, which is not known here; training measures it.
    drop = drop_reason(pair, params, lambda _: 0, entry_point)
    if drop:
        return Dropped(drop, where, name)
    asked = Problem(task_id=name, prompt=pair.prompt, entry_point=entry_point, tests=())
    readings: tuple[Problem, ...] = ()
    if "tests" in columns.stated or columns.has(row, "tests"):
        readings = read_tests(columns.values(row, "tests"), asked)
    stated = columns.states_language(row)
    # Where there are tests, the fixed program is run as Python.
    explanation = "" if stated or readings else reason_against_names(fixed)
    if explanation:
        return Dropped("undefined_name", where, name, explanation)
    diff = diff_lines(buggy, fixed)
    return Repair(where, pair, readings, len(diff.rejected) + len(diff.chosen), stated)


def _reason_against(buggy: str, fixed: str) -> tuple[str, str]:
    """Return the reason why two programs make no pair, and an explanation; empty texts if they do."""
    if not buggy.strip() or not fixed.strip():
        return "empty", ""
    if buggy == fixed:
        return "same_program", ""
    if not is_program(fixed):
        return "not_python", "the fixed program is no Python 3"
    # A buggy program may have a syntax error, but not another language's syntax.
    if language_of(buggy) == "python2":
        return "not_python", "the buggy program is Python 2"
    if is_no_program(buggy) or marks_program(buggy):
        return "no_code", "the buggy program is none, or stands in an answer or in a list"
    return "", ""


def _prompt(row: Mapping[str, Any], buggy: str, columns: Columns) -> Any:
    """Return the statement; the task to correct the buggy program if the set has no statements.

    Raises:
        LeftOutError: the row has an empty statement.
        ValueError: the row lacks the column that the user names.
    """
    if "prompt" not in columns.stated and not columns.has(row, "prompt"):
        return REPAIR_PROMPT.format(buggy=buggy.rstrip("\r\n"))
    prompt = joined_prompt(row, columns)
    if prompt is None:
        raise LeftOutError("no_prompt")
    return prompt
