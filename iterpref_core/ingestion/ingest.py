"""Ingest: sources in, `problems.jsonl` out, and trajectories of human errors; everything left out has a reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.config import ExecutionParams
from iterpref_core.execution import open_executor
from iterpref_core.ingestion.outcome_store import OutcomeStore
from iterpref_core.ingestion.published.table import find_format
from iterpref_core.ingestion.row_text import count_rows_of
from iterpref_core.ingestion.rows import read_candidates
from iterpref_core.ingestion.selection import Selection
from iterpref_core.ingestion.trials import Tried, try_programs
from iterpref_core.progress import show_progress
from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.left_out import Dropped, LeftOut, open_left_out
from iterpref_core.storage.shards import Shards, find_shards


@dataclass(frozen=True)
class Ingested:
    """The outcome of an ingestion.

    Attributes:
        counts: `problems` written, and `heldout` of these; `trajectories`; `weak_tests`: problems whose tests a wrong
            program passes; `references/<verdict>` of the first right programs (`none`: the set has none);
            `programs_left_out/<language>`; `tests_left_out/<reason>`; `dropped/<reason>` of rows that are left out;
            `time_limits_left_out/<reason>`; `files_left_out/<split>`: files of other splits.
        dropped: the first rows, and parts of rows, of each reason.
    """

    counts: dict[str, float]
    dropped: tuple[Dropped, ...]


def ingest(
    sources: Sequence[Path],
    form: str,
    out: Path,
    execution: ExecutionParams,
    selection: Selection,
    store: Path,
    *,
    dropped: Path | None = None,
    trajectories: Path | None = None,
    license: str | None = None,
    split: str | None = None,
    pairs_per_problem: int = 1,
) -> Ingested:
    """Turn sources into `problems.jsonl`, as a stream; after a kill, the same call continues.

    Args:
        sources: files, or folders of shards.
        form: name of their format.
        out: JSONL of problems to write.
        execution: limits for running programs.
        selection: choice of rows and tests.
        store: SQLite file for the outcomes of programs; removed at the end.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.
        trajectories: JSONL of trajectories to write, of problems with right and wrong programs; not written by default.
        license: SPDX of the problems that state none, instead of the license of the format.
        split: the split to read where a folder or a file has several; see `find_shards`.
        pairs_per_problem: number of wrong programs of a trajectory, the nearest ones.

    Raises:
        InputError: a file is absent or not whole, or no problem can be taken: the message has the reasons.
        ExecutionError: the engine failed.
    """
    found = find_format(form)
    shards = find_shards(sources, split)
    total = count_rows_of(shards.files, selection.limit)
    counts: Counter[str] = Counter(problems=0)
    with ExitStack() as stack:
        executor = stack.enter_context(open_executor(execution))
        outcomes = stack.enter_context(closing(OutcomeStore(store, executor)))
        problem_file = stack.enter_context(atomic_writer(out))
        trajectory_file = stack.enter_context(atomic_writer(trajectories)) if trajectories else None
        left_out = stack.enter_context(open_left_out(dropped))
        advance = stack.enter_context(show_progress("ingest", total, unit="problems"))
        rows = read_candidates(shards.files, found, selection, license, split)
        pairs = pairs_per_problem if trajectory_file is not None else 0
        for _, tried in executor.each(rows, lambda row: try_programs(row, outcomes.run, pairs=pairs)):
            advance()
            _count(tried, counts)
            for part in (tried.limit_left_out, tried.dropped):
                if part is not None:
                    left_out.add(part)
            if tried.problem is not None:
                problem_file.write(tried.problem.to_json() + "\n")
            if tried.trajectory is not None and trajectory_file is not None:
                trajectory_file.write(tried.trajectory.to_json() + "\n")
        if not counts["problems"]:
            raise left_out.nothing_taken("problem", sources)
    store.unlink(missing_ok=True)
    return Ingested(named_counts(counts, left_out, shards), left_out.first())


def named_counts(counts: Mapping[str, int], left_out: LeftOut, shards: Shards) -> dict[str, float]:
    """Return the counts that are not 0; counts of left-out rows and files come last."""
    files = {f"files_left_out/{split}": count for split, count in shards.left_out.items()}
    every = {**counts, **left_out.counts, **files}
    return {name: float(count) for name, count in every.items() if count}


def _count(tried: Tried, counts: Counter[str]) -> None:
    for language, count in tried.left_out.items():
        counts[f"programs_left_out/{language}"] += count
    for reason, count in tried.tests_left_out.items():
        counts[f"tests_left_out/{reason}"] += count
    if tried.verdict is not None:
        counts[f"references/{tried.verdict}"] += 1
    if tried.problem is not None:
        counts["problems"] += 1
        counts["heldout"] += tried.problem.split == "heldout"
        counts["references/none"] += tried.verdict is None
        counts["weak_tests"] += tried.weak_tests
        counts["trajectories"] += tried.trajectory is not None
