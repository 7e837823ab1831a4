"""Turn sources into `problems.jsonl`, and into trajectories of human errors; name what is left out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from iterpref_core.records import ExecutionParams, Problem

from .demands import DEMANDS_NOTHING, demanding_places
from .intake import Ingested, Taken, Wanted, open_intake, write_records
from .outcome_store import open_trials
from .presets import PRESETS
from .problem_rows import Selection, read_problem
from .trials import find_failures, find_reference


def ingest(
    wanted: Wanted,
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
        wanted: the rows to read.
        form: name of their preset.
        out: JSONL of problems to write.
        execution: limits for running programs.
        selection: choice of tests.
        store: SQLite file for the outcomes of programs; removed at the end.
        columns: the columns of each part; overrides the preset.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.
        trajectories: JSONL of trajectories to write, of problems with right and wrong programs that are not held out;
            not written by default.
        pairs_per_problem: number of wrong programs of a trajectory, the nearest ones.

    Returns:
        `problems` written, of these `heldout`, and `inside`, whose tests all run inside; `trajectories`;
        `tests/<kind>` of these problems, `references/passed`, and `references/none` of those without a right program;
        `trajectories_dropped/other_split`, of problems that are held out; `programs_dropped/<language>` and
        `tests_dropped/<reason>`; `dropped/<reason>` of rows that are left out;
        `files_dropped/<split>`: files of other splits and layouts.

    Raises:
        InputError: a file is absent or not whole, or no problem can be taken: the message has the reasons.
        ExecutionError: the engine failed.
    """
    preset = PRESETS[form]
    with (
        open_trials(execution, store) as (executor, run),
        open_intake(wanted, preset, columns, dropped) as intake,
    ):

        def take(row: dict[str, Any]) -> Taken:
            read = read_problem(row, preset, intake.columns, wrong=trajectories is not None)
            places = demanding_places(read, run)
            every = read.problem.tests + read.problem.hidden_tests

            def select(reading: Problem) -> Problem:
                # `[3, 1]` may be two inputs, or one line.
                number = len(reading.tests + reading.hidden_tests)
                return selection.apply(reading, places if number == len(every) else range(number))

            chosen = replace(read, problem=select(read.problem), others=map(select, read.others))
            problem = find_reference(chosen, run)
            trajectory = None
            if problem.gives_pairs and problem.reference is not None:
                trajectory = find_failures(problem, read.wrong, run, pairs_per_problem)
            counts = read.dropped + intake.screen(problem, trajectory)
            if read.wrong and not problem.gives_pairs:
                counts["trajectories_dropped/other_split"] += 1
            counts[f"tests_dropped/{DEMANDS_NOTHING}"] = len(every) - len(places)
            counts["problems"] += 1
            counts["inside"] += problem.inside is True
            counts.update(f"tests/{test.kind}" for test in problem.tests + problem.hidden_tests)
            counts["heldout"] += problem.split == "heldout"
            counts["references/none" if problem.reference is None else "references/passed"] += 1
            counts["trajectories"] += trajectory is not None
            return problem, trajectory, counts

        write_records(intake, intake.take(take, executor), out, trajectories)
    return intake.result
