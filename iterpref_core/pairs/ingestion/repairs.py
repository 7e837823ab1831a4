"""Repairs: files of buggy and fixed programs in, `pairs.jsonl` out, judged by tests where there are some."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iterpref_core.execution import check_tests
from iterpref_core.pairs.ingestion.grouped_records import GroupedRecords
from iterpref_core.pairs.pairs.filters import drop_reason
from iterpref_core.problems.ingestion.answers import is_no_program, is_program, marks_program, reason_against_names
from iterpref_core.problems.ingestion.columns import PROGRAMS, Columns, parse_columns
from iterpref_core.problems.ingestion.intake import (
    Ingested,
    Source,
    check_writable,
    open_intake,
    open_trials,
    read_object,
)
from iterpref_core.problems.ingestion.problems.programs import language_of
from iterpref_core.problems.ingestion.problems.published import LeftOutError, drop_for
from iterpref_core.problems.ingestion.problems.row_tests import Rules, read_tests
from iterpref_core.problems.ingestion.problems.trials import Run
from iterpref_core.problems.ingestion.prompts import columns_prompt
from iterpref_core.problems.ingestion.values import read_license
from iterpref_core.programs.source_code.line_diff import diff_lines
from iterpref_core.records import UNDECIDED, PreferencePair, Problem, take_name, unnumbered
from iterpref_core.records.config import ExecutionParams, PairsParams
from iterpref_core.records.errors import RecordError
from iterpref_core.records.prompt_messages import statement_digest
from iterpref_core.storage.items import Item
from iterpref_core.storage.left_out import Dropped

REPAIR_PROMPT = "Correct this Python program:\n\n```python\n{buggy}\n```"
"""The task of a row that has no statement: its own buggy program."""


def ingest_repairs(
    source: Source,
    out: Path,
    params: PairsParams,
    execution: ExecutionParams,
    store: Path,
    *,
    columns: str | None = None,
    pairs_per_problem: int | None = None,
    dropped: Path | None = None,
) -> Ingested:
    """Turn buggy and fixed programs into `pairs.jsonl`; after a kill, the same call continues.

    A problem's pairs stand together, in the order of the problems' first rows, the nearest first: the one whose
    programs differ in the fewest lines.

    Args:
        source: the rows to read.
        out: JSONL of pairs to write.
        params: bounds of the filters of pairs.
        execution: limits for running programs.
        store: SQLite file for the outcomes of programs; removed at the end.
        columns: names of columns, such as `prompt=statement,buggy=buggy_code,fixed=fixed_code`.
        pairs_per_problem: pairs of a problem to keep, the nearest ones; None for all.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `pairs`; of these `tested`, whose programs were judged by tests, and `untested`; `dropped/<reason>`.

    Raises:
        ConfigError: the columns cannot be understood.
        InputError: a file is absent, or there is no pair.
        ExecutionError: the engine failed.
    """
    named = parse_columns(columns, PROGRAMS, split=source.split)
    with (
        open_trials(execution, store) as (executor, outcomes),
        open_intake(source, dropped, "pair") as intake,
        closing(GroupedRecords()) as kept,
    ):
        pair_file = intake.open_file(out)
        reader = RepairReader(named, intake.license, params)
        repairs = (repair for item in intake.rows for repair in reader.read(item))
        for _, judged in executor.each(repairs, lambda repair: _judged(repair, outcomes.run)):
            if isinstance(judged, Dropped):
                intake.leave_out(judged)
            else:
                problem = judged.pair.problem_id or statement_digest(judged.pair.prompt)
                kept.add(problem, judged.pair, judged.distance)
        for _, lines in kept.groups():
            intake.counts["dropped/further_pair"] += len(lines) - len(lines[:pairs_per_problem])
            for line in lines[:pairs_per_problem]:
                pair = PreferencePair.model_validate_json(line)
                pair_file.write(pair.to_json() + "\n")
                intake.counts["pairs"] += 1
                intake.counts["tested" if pair.tested else "untested"] += 1
    return intake.result


@dataclass(frozen=True)
class Repair:
    """A buggy and a fixed program of one problem.

    Attributes:
        where: place of the row.
        pair: the pair, before its programs were run.
        readings: the problem with the row's tests, once for each reading of them; empty if the row has no tests.
        distance: number of lines in which the programs differ.
    """

    where: str
    pair: PreferencePair
    readings: tuple[Problem, ...]
    distance: int


class RepairReader:
    """A reader of rows, which gives every pair a name of its own.

    Args:
        columns: where each part stands.
        license: SPDX of the pairs whose rows state none.
        params: bounds of the filters of pairs.
    """

    def __init__(self, columns: Columns, license: str | None, params: PairsParams) -> None:
        self._columns = columns
        self._license = license
        self._params = params
        self._names: Counter[str] = Counter()

    def read(self, item: Item) -> Iterator[Repair | Dropped]:
        """Yield the repairs of a row, one for each buggy program, or the reason why it is left out."""
        where = str(item.where)
        name = ""
        try:
            row = read_object(item)
            # A name that repeats is that of a problem with several buggy programs.
            row_name = self._columns.name(row, "task_id") or f"pair-{item.number}"
            for buggy in _buggy(row, self._columns):
                name = take_name(row_name, self._names)
                try:
                    yield self._repair(row, buggy, row_name, name, where)
                except LeftOutError as error:
                    yield drop_for(error, where, name)
        except Exception as error:  # noqa: BLE001 - see `drop_for`
            yield drop_for(error, where, name)

    def _repair(self, row: Mapping[str, Any], buggy: str, row_name: str, name: str, where: str) -> Repair:
        columns = self._columns
        columns.check_wanted(row)
        fixed = _code(row, columns, "fixed")
        _check_programs(buggy, fixed)
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
            license=read_license(columns.one(row, "license")) or self._license,
            tested=False,
        )
        check_writable(pair)
        # The pairs' length in tokens depends on the model, which is not known here; training measures it.
        drop = drop_reason(pair, self._params, lambda _: 0, entry_point)
        if drop:
            raise LeftOutError(drop)
        asked = Problem(task_id=name, prompt=pair.prompt, entry_point=entry_point, tests=())
        # A right program decides between readings: the fixed one is not known to be right yet, but must pass.
        readings, _ = read_tests(asked, columns.values(row, "tests"), rules=Rules(programs=(fixed,)))
        # Where there are tests, the fixed program is run as Python.
        explanation = "" if readings or columns.languages(row) else reason_against_names(fixed)
        if explanation:
            raise LeftOutError("undefined_name", explanation)
        diff = diff_lines(buggy, fixed)
        return Repair(where, pair, readings, len(diff.rejected) + len(diff.chosen))


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


def _check_programs(buggy: str, fixed: str) -> None:
    """Check that two texts are programs that can make a pair.

    Raises:
        LeftOutError: they are not.
    """
    if not buggy.strip() or not fixed.strip():
        raise LeftOutError("empty")
    if buggy == fixed:
        raise LeftOutError("same_program")
    if not is_program(fixed):
        raise LeftOutError("not_python")
    # A buggy program may have a syntax error, but not another language's syntax.
    if is_program(buggy):
        return
    if language_of(buggy) == "python2":
        raise LeftOutError("not_python")
    if is_no_program(buggy) or marks_program(buggy):
        raise LeftOutError("no_code", "the buggy program is none, or stands in an answer or in a list")


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


def _judged(repair: Repair | Dropped, run: Run) -> Repair | Dropped:
    """Return a repair whose tests pass the fixed program and fail the buggy one, or the reason to leave it out."""
    if isinstance(repair, Dropped) or not repair.readings:
        return repair
    try:
        return _run_both(repair, run)
    except (ValueError, TypeError, RecursionError, RecordError) as error:
        return drop_for(error, repair.where, repair.pair.task_id)


def _run_both(repair: Repair, run: Run) -> Repair | Dropped:
    name = repair.pair.task_id
    explanation = ""
    for problem in repair.readings:
        check_tests(problem, repair.where, visible=True)
        fixed = run(problem, repair.pair.chosen)
        if fixed.verdict != "passed":
            explanation = explanation or f"{fixed.verdict}: {fixed.feedback}"
            continue
        buggy = run(problem, repair.pair.rejected)
        if buggy.verdict == "passed":
            return Dropped("buggy_passes", repair.where, name)
        if buggy.verdict in UNDECIDED:
            return Dropped("not_run", repair.where, name, buggy.feedback)
        return replace(repair, pair=repair.pair.model_copy(update={"tested": True}))
    return Dropped("fixed_fails", repair.where, name, explanation)
