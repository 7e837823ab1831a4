"""Ingest repairs: files of buggy and fixed programs in, `pairs.jsonl` out, judged by tests where there are some."""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from iterpref_core.config import ExecutionParams, PairsParams
from iterpref_core.errors import RecordError
from iterpref_core.execution import check_tests, open_executor
from iterpref_core.ingestion.ingest import Ingested, named_counts
from iterpref_core.ingestion.outcome_store import OutcomeStore
from iterpref_core.ingestion.preference_sets.columns import EXAMPLE_OF_PROGRAMS, PROGRAMS, Columns, parse_columns
from iterpref_core.ingestion.preference_sets.preference_pairs import numbered_rows
from iterpref_core.ingestion.repairs.repair_rows import REPAIR_PROMPT, Join, Repair, read_join, read_repairs
from iterpref_core.ingestion.row_text import count_rows_of
from iterpref_core.ingestion.trials import Run
from iterpref_core.progress import show_progress
from iterpref_core.records import UNDECIDED, PreferencePair
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.left_out import BAD_RECORD, Dropped, open_left_out
from iterpref_core.storage.shards import find_shards


@dataclass(frozen=True)
class RepairSource:
    """A user's words about rows of buggy and fixed programs.

    Attributes:
        columns: names of columns, such as `prompt=statement,buggy=buggy_code,fixed=fixed_code`.
        join: a second file, and `on=COLUMN` or `all=COLUMN`: its columns are added to the rows.
        split: the split to read where a folder has several; see `find_shards`.
        limit: rows to read, the first ones; None for all.
        license: SPDX of the pairs whose rows state none.
        pairs_per_problem: pairs of a problem to keep, the nearest ones; None for all.
    """

    columns: str | None = None
    join: tuple[Path, str] | None = None
    split: str | None = None
    limit: int | None = None
    license: str | None = None
    pairs_per_problem: int | None = None


def ingest_repairs(
    sources: Sequence[Path],
    out: Path,
    source: RepairSource,
    params: PairsParams,
    execution: ExecutionParams,
    store: Path,
    *,
    dropped: Path | None = None,
) -> Ingested:
    """Turn buggy and fixed programs into `pairs.jsonl`; after a kill, the same call continues.

    A problem's pairs stand together, in the order of the problems' first rows, the nearest first: the one whose
    programs differ in the fewest lines.

    Args:
        sources: files, or folders of shards.
        out: JSONL of pairs to write.
        source: the names of columns, and the choice of rows.
        params: bounds of the filters of pairs.
        execution: limits for running programs.
        store: SQLite file for the outcomes of programs; removed at the end.
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
    columns = replace(parse_columns(source.columns, PROGRAMS, EXAMPLE_OF_PROGRAMS), split=source.split)
    shards = find_shards(sources, source.split)
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        left_out = stack.enter_context(open_left_out(dropped))
        join = read_join(*source.join, left_out.add) if source.join is not None else None
        executor = stack.enter_context(open_executor(execution))
        outcomes = stack.enter_context(closing(OutcomeStore(store, executor)))
        pair_file = stack.enter_context(atomic_writer(out))
        kept = stack.enter_context(closing(_Kept(source.pairs_per_problem)))
        total = count_rows_of(shards.files, source.limit)
        advance = stack.enter_context(show_progress("ingest", total, unit="rows"))
        items = islice(numbered_rows(shards.files), source.limit)
        repairs = _each_repair(items, columns, join, source.license, params)
        last: str | None = None
        for repair, judged in executor.each(repairs, lambda row: _with_outcomes(row, outcomes.run)):
            if repair.where != last:
                advance()
                last = repair.where
            if isinstance(judged, Dropped):
                left_out.add(judged)
            else:
                kept.add(judged)
        for pair, language_stated in kept.chosen():
            pair_file.write(pair.to_json() + "\n")
            counts["pairs"] += 1
            counts["tested" if pair.tested else "untested"] += 1
            counts["language_unstated"] += not (language_stated or pair.tested)
            counts["repair_prompts"] += pair.prompt == REPAIR_PROMPT.format(buggy=pair.rejected.rstrip("\r\n"))
        if kept.further:
            counts["dropped/further_pair"] = kept.further
        if not counts["pairs"]:
            raise left_out.nothing_taken("pair", sources)
    store.unlink(missing_ok=True)
    return Ingested(named_counts(counts, left_out, shards), left_out.first())


def _each_repair(
    items: Iterator[Item],
    columns: Columns,
    join: Join | None,
    license: str | None,
    params: PairsParams,
) -> Iterator[Repair | Dropped]:
    names: Counter[str] = Counter()
    for item in items:
        yield from read_repairs(item, columns, join, names, license, params)


def _with_outcomes(repair: Repair | Dropped, run: Run) -> Repair | Dropped:
    """Return a repair whose tests pass the fixed program and fail the buggy one, or the reason to leave it out."""
    if isinstance(repair, Dropped) or not repair.readings:
        return repair
    name = repair.pair.task_id
    try:
        return _run_both(repair, run)
    except RecordError as error:
        explanation = str(error).removeprefix(f"{repair.where}: ")
        return Dropped(BAD_RECORD, repair.where, name, explanation)
    except (ValueError, TypeError, RecursionError) as error:
        return Dropped(BAD_RECORD, repair.where, name, f"{type(error).__name__}: {error}")


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


class _Kept:
    """The pairs that are kept, in a temporary file, of which those of a problem are read nearest first.

    Args:
        most: pairs of a problem to read; None for all.

    Attributes:
        further: number of pairs that are not read, since their problem has nearer ones.
    """

    def __init__(self, most: int | None) -> None:
        self._file = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - `close` ends its life
        self._most = most
        # Problem → distance, place in the file and stated language of each pair. A dictionary keeps the order of the
        # first rows.
        self._places: defaultdict[str, list[tuple[int, int, bool]]] = defaultdict(list)
        self.further = 0

    def add(self, repair: Repair) -> None:
        """Keep a pair."""
        self._places[repair.pair.problem].append((repair.distance, self._file.tell(), repair.language_stated))
        self._file.write(repair.pair.to_json().encode() + b"\n")

    def chosen(self) -> Iterator[tuple[PreferencePair, bool]]:
        """Yield the pairs of each problem, the nearest first, each with True if its row states its language."""
        for places in self._places.values():
            nearest = sorted(places)[: self._most]
            self.further += len(places) - len(nearest)
            for _, place, language_stated in nearest:
                self._file.seek(place)
                yield PreferencePair.model_validate_json(self._file.readline()), language_stated

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
