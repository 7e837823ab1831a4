"""Repair rows: each row of a buggy and a fixed program is read, and checked as far as possible without running it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iterpref_core.pairs.ingestion.joins import Join
from iterpref_core.pairs.pairs.filters import drop_reason
from iterpref_core.problems.ingestion.answers import is_no_program, is_program, marks_program, reason_against_names
from iterpref_core.problems.ingestion.columns import Columns
from iterpref_core.problems.ingestion.problems.programs import language_of
from iterpref_core.problems.ingestion.problems.published import LeftOutError, drop_for
from iterpref_core.problems.ingestion.problems.row_tests import Rules, read_tests
from iterpref_core.problems.ingestion.prompts import columns_prompt
from iterpref_core.problems.ingestion.rows import check_writable, read_object
from iterpref_core.problems.ingestion.values import read_license
from iterpref_core.programs.source_code.line_diff import diff_lines
from iterpref_core.records import PreferencePair, Problem, take_name, unnumbered
from iterpref_core.records.config import PairsParams
from iterpref_core.storage.items import Item
from iterpref_core.storage.left_out import Dropped

REPAIR_PROMPT = "Correct this Python program:\n\n```python\n{buggy}\n```"
"""The task of a row that has no statement: its own buggy program."""


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


class RepairReader:
    """A reader of rows, which gives every pair a name of its own.

    Args:
        columns: where each part stands.
        join: rows of a second file.
        license: SPDX of the pairs whose rows state none.
        params: bounds of the filters of pairs.
    """

    def __init__(self, columns: Columns, join: Join | None, license: str | None, params: PairsParams) -> None:
        self._columns = columns
        self._join = join
        self._license = license
        self._params = params
        self._names: Counter[str] = Counter()

    def read(self, item: Item) -> Iterator[Repair | Dropped]:
        """Yield the repairs of a row, one for each buggy program, or the reason why it is left out."""
        where = str(item.where)
        name = ""
        try:
            row: Mapping[str, Any] = read_object(item)
            # A name that repeats is that of a problem with several buggy programs.
            name = self._columns.name(row, "task_id") or f"pair-{item.number}"
            if self._join is not None:
                row = self._join.extend(row, self._columns)
            for buggy in _buggy(row, self._columns):
                yield self._repair(row, buggy, name, where)
        except Exception as error:  # noqa: BLE001 - see `drop_for`
            yield drop_for(error, where, name)

    def _repair(self, row: Mapping[str, Any], buggy: str, row_name: str, where: str) -> Repair | Dropped:
        name = take_name(row_name, self._names)
        try:
            return self._checked(row, buggy, row_name, name, where)
        except LeftOutError as error:
            return drop_for(error, where, name)

    def _checked(self, row: Mapping[str, Any], buggy: str, row_name: str, name: str, where: str) -> Repair:
        columns = self._columns
        columns.check_unread(row)
        reason, explanation = columns.reason_against(row)
        fixed = _code(row, columns, "fixed")
        if not reason:
            reason, explanation = _reason_against(buggy, fixed)
        if reason:
            raise LeftOutError(reason, explanation)
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
            license=read_license(columns.optional(row, "license")) or self._license,
            tested=False,
        )
        check_writable(pair)
        # The pairs' length in tokens depends on the model, which is not known here; training measures it.
        drop = drop_reason(pair, self._params, lambda _: 0, entry_point)
        if drop:
            raise LeftOutError(drop)
        asked = Problem(task_id=name, prompt=pair.prompt, entry_point=entry_point, tests=())
        # A right program decides between readings: the fixed one is not known to be right yet, but must pass.
        rules = Rules(programs=(fixed,))
        readings, _ = read_tests(asked, columns.given(row, "tests"), rules=rules)
        stated = columns.states_python(row)
        # Where there are tests, the fixed program is run as Python.
        explanation = "" if stated or readings else reason_against_names(fixed)
        if explanation:
            raise LeftOutError("undefined_name", explanation)
        diff = diff_lines(buggy, fixed)
        return Repair(where, pair, readings, len(diff.rejected) + len(diff.chosen), stated)


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
    named = "+".join(columns.names[part])
    if values and len(values) < len(columns.names[part]):
        raise ValueError(f"columns {named}: one of them is null, so a part of the program is missing")
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"columns {named}: one program is expected, not a {type(value).__name__}")
    return "".join(values)


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
    prompt = columns_prompt(row, columns)
    if prompt is None:
        raise LeftOutError("no_prompt")
    return prompt
