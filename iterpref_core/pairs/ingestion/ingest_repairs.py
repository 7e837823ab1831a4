"""Ingest repairs: files of buggy and fixed programs in, `pairs.jsonl` out, judged by tests where there are some."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from iterpref_core.execution import check_tests
from iterpref_core.pairs.ingestion.grouped_records import GroupedRecords
from iterpref_core.pairs.ingestion.joins import read_join
from iterpref_core.pairs.ingestion.repair_rows import REPAIR_PROMPT, Repair, RepairReader
from iterpref_core.problems.ingestion.columns import PROGRAMS, parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source, open_intake, open_trials
from iterpref_core.problems.ingestion.problems.published import drop_for
from iterpref_core.problems.ingestion.problems.trials import Run
from iterpref_core.records import UNDECIDED, PreferencePair, Record
from iterpref_core.records.config import ExecutionParams, PairsParams
from iterpref_core.records.errors import RecordError
from iterpref_core.records.prompt_messages import statement_digest
from iterpref_core.storage.left_out import Dropped


class _Kept(Record):
    """A pair that is taken, and True if its row says that it is Python."""

    pair: PreferencePair
    language_stated: bool


def ingest_repairs(
    source: Source,
    out: Path,
    params: PairsParams,
    execution: ExecutionParams,
    store: Path,
    *,
    columns: str | None = None,
    join: tuple[Path, str] | None = None,
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
        join: a second file, and `on=COLUMN` or `all=COLUMN`: its columns are added to the rows.
        pairs_per_problem: pairs of a problem to keep, the nearest ones; None for all.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `pairs`; of these `tested`, whose programs were judged by tests, and `untested`; `language_unstated`: untested
        pairs whose rows do not say that they are Python; `repair_prompts`: pairs without
        a statement, whose task is to correct the buggy program; `dropped/<reason>`; `joined_rows_left_out/<reason>`.

    Raises:
        ConfigError: the columns or the join cannot be understood.
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
        joined = read_join(*join, intake.leave_out) if join is not None else None
        reader = RepairReader(named, joined, intake.license, params)
        repairs = (repair for item in intake.rows for repair in reader.read(item))
        last: str | None = None
        for repair, judged in executor.each(repairs, lambda row: _with_outcomes(row, outcomes.run)):
            if repair.where != last:
                intake.advance()
                last = repair.where
            if isinstance(judged, Dropped):
                intake.leave_out(judged)
            else:
                record = _Kept(pair=judged.pair, language_stated=judged.language_stated)
                problem = judged.pair.problem_id or statement_digest(judged.pair.prompt)
                kept.add(problem, record, judged.distance)
        counts = intake.counts
        for pair, language_stated in _nearest(kept, pairs_per_problem, counts):
            pair_file.write(pair.to_json() + "\n")
            counts["pairs"] += 1
            counts["tested" if pair.tested else "untested"] += 1
            counts["language_unstated"] += not (language_stated or pair.tested)
            counts["repair_prompts"] += pair.prompt == REPAIR_PROMPT.format(buggy=pair.rejected.rstrip("\r\n"))
    return intake.result


def _nearest(kept: GroupedRecords, most: int | None, counts: Counter[str]) -> Iterator[tuple[PreferencePair, bool]]:
    """Yield the pairs of each problem, the nearest first, each with True if its row states its language."""
    for _, lines in kept.groups():
        for line in lines[:most]:
            record = _Kept.model_validate_json(line)
            yield record.pair, record.language_stated
        counts["dropped/further_pair"] += len(lines) - len(lines[:most])


def _with_outcomes(repair: Repair | Dropped, run: Run) -> Repair | Dropped:
    """Return a repair whose tests pass the fixed program and fail the buggy one, or the reason to leave it out."""
    if isinstance(repair, Dropped) or not repair.readings:
        return repair
    name = repair.pair.task_id
    try:
        return _run_both(repair, run)
    except (RecordError, ValueError, TypeError, RecursionError) as error:
        return drop_for(error, repair.where, name)


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
