"""Repairs: files of buggy and fixed programs in, `pairs.jsonl` out, judged by tests where there are some."""

from collections import Counter
from pathlib import Path
from typing import Any

from iterpref_core.execution import check_tests
from iterpref_core.pairs.ingestion.preference_pairs import pair_of
from iterpref_core.pairs.pairs.filters import drop_reason
from iterpref_core.problems.ingestion.columns import PROGRAMS, Columns, LeftOutError, parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source, open_intake, open_trials, read_row
from iterpref_core.problems.ingestion.programs import check_names, find_programs, language_of
from iterpref_core.problems.ingestion.prompts import read_statement
from iterpref_core.problems.ingestion.row_tests import Rules, read_tests
from iterpref_core.problems.ingestion.trials import Run
from iterpref_core.problems.ingestion.values import Row
from iterpref_core.records import UNDECIDED, PreferencePair, Problem, take_name, unnumbered
from iterpref_core.records.config import ExecutionParams, PairsParams
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
    dropped: Path | None = None,
) -> Ingested:
    """Turn buggy and fixed programs into `pairs.jsonl`; after a kill, the same call continues.

    Args:
        source: the rows to read.
        out: JSONL of pairs to write.
        params: bounds of the filters of pairs.
        execution: limits for running programs.
        store: SQLite file for the outcomes of programs; removed at the end.
        columns: names of columns, such as `prompt=statement,buggy=buggy_code,fixed=fixed_code`.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `pairs`; of these `tested`, whose programs were judged by tests, and `untested`; `dropped/<reason>`.

    Raises:
        ConfigError: the columns cannot be understood.
        InputError: a file is absent, or there is no pair.
        ExecutionError: the engine failed.
    """
    named = parse_columns(columns, PROGRAMS, split=source.split)
    names: Counter[str] = Counter()
    with open_trials(execution, store) as (executor, outcomes), open_intake(source, dropped, "pair") as intake:
        pair_file = intake.open_file(out)

        def read(row: dict[str, Any]) -> PreferencePair:
            return read_repair(row, named, params, outcomes.run)

        for item, pair in executor.each(intake.rows, lambda item: read_row(item, named, read)):
            if isinstance(pair, Dropped):
                intake.leave_out(pair)
                continue
            # A name that repeats is that of a problem with several buggy programs.
            row_name = pair.task_id or f"pair-{item.number}"
            name = take_name(row_name, names)
            problem_id = pair.problem_id or (row_name if unnumbered(name) != row_name else None)
            own = {"task_id": name, "problem_id": problem_id, "license": pair.license or intake.license}
            pair_file.write(pair.model_copy(update=own).to_json() + "\n")
            intake.counts["pairs"] += 1
            intake.counts["tested" if pair.tested else "untested"] += 1
    return intake.result


def read_repair(row: Row, columns: Columns, params: PairsParams, run: Run) -> PreferencePair:
    """Return the pair in a row; its name is empty if the row has none.

    Raises:
        LeftOutError: the row has no pair, or its tests do not tell the programs apart.
        ValueError: a column is missing, or holds something else.
    """
    columns.check_wanted(row)
    fixed, buggy = find_programs(_code(row, columns, "fixed"), _code(row, columns, "buggy"))
    # A buggy program may have a syntax error, but not another language's syntax.
    if language_of(buggy) == "python2":
        raise LeftOutError("not_python")
    entry_point = columns.name(row, "entry_point")
    prompt: Any = REPAIR_PROMPT.format(buggy=buggy.rstrip("\r\n"))
    if "prompt" in columns.stated or columns.has(row, "prompt"):
        prompt = read_statement(row, columns)
    pair = pair_of(row, columns, prompt=prompt, chosen=fixed, rejected=buggy, tested=False)
    # The pairs' length in tokens depends on the model, which is not known here; training measures it.
    drop = drop_reason(pair, params, lambda _: 0, entry_point)
    if drop:
        raise LeftOutError(drop)
    asked = Problem(task_id=pair.task_id or "pair", prompt=prompt, entry_point=entry_point, tests=())
    # A right program decides between readings: the fixed one is not known to be right yet, but must pass.
    readings, _ = read_tests(asked, columns.values(row, "tests"), rules=Rules(programs=(fixed,)))
    if readings:
        _check_by_tests(pair, readings, run)
        return pair.model_copy(update={"tested": True})
    # Where there are tests, the fixed program is run as Python.
    if not columns.languages(row):
        check_names(fixed)
    return pair


def _code(row: Row, columns: Columns, part: str) -> str:
    """Return a program as it stands; several columns are put together without anything between them.

    Raises:
        ValueError: a column holds no text, or is null while another one of the program is not.
    """
    values = columns.values(row, part)
    is_part = 0 < len(values) < len(columns.names[part])
    if is_part or not all(isinstance(value, str) for value in values):
        raise ValueError(f"columns {'+'.join(columns.names[part])}: one program is expected, all of its parts texts")
    return "".join(values)


def _check_by_tests(pair: PreferencePair, readings: tuple[Problem, ...], run: Run) -> None:
    """Check that the tests, in one of their readings, pass the fixed program and fail the buggy one.

    Raises:
        LeftOutError: they do not.
    """
    explanations = []
    for problem in readings:
        check_tests(problem, problem.task_id, visible=True)
        fixed = run(problem, pair.chosen)
        if fixed.verdict != "passed":
            explanations.append(f"{fixed.verdict}: {fixed.feedback}")
            continue
        buggy = run(problem, pair.rejected)
        if buggy.verdict == "passed":
            raise LeftOutError("buggy_passes")
        if buggy.verdict in UNDECIDED:
            raise LeftOutError("not_run", buggy.feedback)
        return
    raise LeftOutError("fixed_fails", explanations[0])
