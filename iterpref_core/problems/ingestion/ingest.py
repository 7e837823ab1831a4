"""Ingest: sources in, `problems.jsonl` out, and trajectories of human errors; everything left out has a reason."""

from collections import Counter
from pathlib import Path

from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source, open_intake, open_trials
from iterpref_core.problems.ingestion.presets import OWN_RECORDS, find_preset
from iterpref_core.problems.ingestion.problems.problem_rows import ProblemReader
from iterpref_core.problems.ingestion.problems.selection import Selection
from iterpref_core.problems.ingestion.problems.trials import Tried, try_programs
from iterpref_core.records.config import ExecutionParams


def ingest(
    source: Source,
    form: str,
    out: Path,
    execution: ExecutionParams,
    selection: Selection,
    store: Path,
    *,
    columns: str | None = None,
    dropped: Path | None = None,
    trajectories: Path | None = None,
    pairs_per_problem: int = 1,
) -> Ingested:
    """Turn sources into `problems.jsonl`, as a stream; after a kill, the same call continues.

    Args:
        source: the rows to read.
        form: name of their preset.
        out: JSONL of problems to write.
        execution: limits for running programs.
        selection: choice of tests.
        store: SQLite file for the outcomes of programs; removed at the end.
        columns: where the parts of a row stand; overrides the preset.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.
        trajectories: JSONL of trajectories to write, of problems with right and wrong programs; not written by default.
        pairs_per_problem: number of wrong programs of a trajectory, the nearest ones.

    Returns:
        `problems` written, and `heldout` of these; `trajectories`; `references/<verdict>` of the first right programs
        (`none`: the set has none);
        `programs_left_out/<language>`; `tests_left_out/<reason>`; `dropped/<reason>` of rows that are left out;
        `time_limits_left_out/<reason>`; `files_left_out/<split>`: files of other splits.

    Raises:
        InputError: a file is absent or not whole, or no problem can be taken: the message has the reasons.
        ExecutionError: the engine failed.
    """
    preset = find_preset(form)
    named = None
    if form != OWN_RECORDS:
        named = parse_columns(columns, preset.parts, preset=preset.columns, split=source.split)
    with open_trials(execution, store) as (executor, outcomes), open_intake(source, dropped, "problem") as intake:
        problem_file = intake.open_file(out)
        trajectory_file = intake.open_file(trajectories) if trajectories else None
        reader = ProblemReader(form, named, selection, intake.license)
        pairs = pairs_per_problem if trajectory_file is not None else 0
        rows = map(reader.read, intake.rows)
        for _, tried in executor.each(rows, lambda row: try_programs(row, outcomes.run, pairs=pairs)):
            _count(tried, intake.counts)
            if tried.dropped is not None:
                intake.leave_out(tried.dropped)
            if tried.problem is not None:
                problem_file.write(tried.problem.to_json() + "\n")
            if tried.trajectory is not None and trajectory_file is not None:
                trajectory_file.write(tried.trajectory.to_json() + "\n")
    return intake.result


def _count(tried: Tried, counts: Counter[str]) -> None:
    counts.update(tried.left_out)
    if tried.verdict is not None:
        counts[f"references/{tried.verdict}"] += 1
    if tried.problem is not None:
        counts["problems"] += 1
        counts["heldout"] += tried.problem.split == "heldout"
        counts["references/none"] += tried.verdict is None
        counts["trajectories"] += tried.trajectory is not None
