"""Ingest: sources in, `problems.jsonl` out, and trajectories of human errors; everything left out has a reason."""

from collections import Counter
from pathlib import Path
from typing import Any

from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source, open_intake, open_trials
from iterpref_core.problems.ingestion.presets import OWN_RECORDS, find_preset
from iterpref_core.problems.ingestion.problem_rows import ProblemReader, Selection
from iterpref_core.problems.ingestion.trials import try_programs
from iterpref_core.records import Problem, Trajectory, take_name
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
        `problems` written, and `heldout` of these; `trajectories`; `references/passed`, and `references/none` of
        problems without a right program; `programs_left_out/<language>` and `tests_left_out/<reason>` of these
        problems; `dropped/<reason>` of rows that are left out; `files_left_out/<split>`: files of other splits and
        layouts.

    Raises:
        InputError: a file is absent or not whole, or no problem can be taken: the message has the reasons.
        ExecutionError: the engine failed.
    """
    preset = find_preset(form)
    named = parse_columns(columns, preset.row_parts, preset=preset.columns, split=source.split)
    names: Counter[str] = Counter()
    with open_trials(execution, store) as (executor, outcomes), open_intake(source, dropped, "problem") as intake:
        problem_file = intake.open_file(out)
        trajectory_file = intake.open_file(trajectories) if trajectories else None
        reader = ProblemReader(form, named, selection, intake.license)

        def take(row: dict[str, Any]) -> tuple[Problem, Trajectory | None, Counter[str]]:
            read = reader.read(row)
            return *try_programs(read, outcomes.run, pairs=pairs_per_problem if trajectories else 0), read.left_out

        for item, (problem, trajectory, left_out) in intake.take(named, take, executor):
            name = take_name(problem.task_id, names)
            if form == OWN_RECORDS and name != problem.task_id:
                used = f"field 'task_id': {problem.task_id!r} was already used; give every problem its own"
                intake.leave_out(item, problem.task_id, used)
                continue
            named_so = {"task_id": name}
            problem_file.write(problem.model_copy(update=named_so).to_json() + "\n")
            if trajectory is not None and trajectory_file is not None:
                trajectory_file.write(trajectory.model_copy(update=named_so).to_json() + "\n")
            intake.counts.update(left_out)
            intake.counts["problems"] += 1
            intake.counts["heldout"] += problem.split == "heldout"
            intake.counts["references/none" if problem.reference is None else "references/passed"] += 1
            intake.counts["trajectories"] += trajectory is not None
    return intake.result
