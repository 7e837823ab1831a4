"""Submissions: rows of single programs with verdicts, as attempts at problems, from which `pair` chooses."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

from iterpref_core.pairs.ingestion.grouped_records import GroupedRecords
from iterpref_core.problems.ingestion.columns import SUBMISSIONS, Columns, parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source, check_writable, open_intake, read_object
from iterpref_core.problems.ingestion.problems.programs import language_of
from iterpref_core.problems.ingestion.problems.published import LeftOutError, drop_for
from iterpref_core.problems.ingestion.prompts import columns_prompt
from iterpref_core.problems.ingestion.values import read_license
from iterpref_core.records import Attempt, Problem, Record, Trajectory, Verdict
from iterpref_core.storage.items import Item
from iterpref_core.storage.left_out import Dropped

_VERDICTS: dict[str, Verdict] = {
    r"accepted|ac|ok|pass(ed)?|correct|true|yes|1": "passed",
    r"wrong[ _-]?answer|wa|fail(ed)?|incorrect|false|no|0|presentation[ _-]?error|pe": "wrong_answer",
    r"time[ _-]?limit.*|tle|timeout": "timeout",
    r"memory[ _-]?limit.*|mle": "memory",
    r"runtime[ _-]?error.*|re|exception|crash(ed)?": "exception",
    r"compil(e|ation)[ _-]?error|ce": "syntax_error",
}
"""The words of judges for their verdicts -> the verdict; none fits a submission that nobody has judged yet."""


class _Submission(Record):
    """A program with its verdict, and the problem that it is for."""

    problem: Problem
    code: str
    verdict: Verdict


def ingest_submissions(
    source: Source, out: Path, trajectories: Path, columns: str | None, dropped: Path | None = None
) -> Ingested:
    """Turn single programs with verdicts into problems without tests and the trajectories of their attempts.

    No program is run: the verdicts are the word of the set.

    Args:
        source: the rows to read.
        out: JSONL of problems to write, for `pair`.
        trajectories: JSONL of trajectories to write, in the order of the problems' first rows.
        columns: names of columns, such as `task_id=problem,prompt=statement,program=code,passed=status`.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `problems`, `solved` ones of these, `attempts`, and `dropped/<reason>`.

    Raises:
        ConfigError: the columns cannot be understood.
        InputError: a file is absent, or there is no program.
    """
    named = parse_columns(columns, SUBMISSIONS, split=source.split)
    with open_intake(source, dropped, "problem") as intake, closing(GroupedRecords()) as kept:
        problem_file = intake.open_file(out)
        trajectory_file = intake.open_file(trajectories)
        for item in intake.rows:
            read = _read(item, named, intake.license)
            if isinstance(read, Dropped):
                intake.leave_out(read)
            else:
                kept.add(read.problem.task_id, read)
        for name, lines in kept.groups():
            submissions = [_Submission.model_validate_json(line) for line in lines]
            trajectory = _trajectory(name, submissions)
            problem_file.write(submissions[0].problem.to_json() + "\n")
            trajectory_file.write(trajectory.to_json() + "\n")
            intake.counts["problems"] += 1
            intake.counts["solved"] += trajectory.solved
            intake.counts["attempts"] += len(trajectory.attempts)
    return intake.result


def _read(item: Item, columns: Columns, license: str | None) -> _Submission | Dropped:
    where = str(item.where)
    name = ""
    try:
        row = read_object(item)
        columns.check_wanted(row)
        name = columns.name(row, "task_id") or ""
        prompt = columns_prompt(row, columns)
        (code, *others) = columns.values(row, "program") or [""]
        if not name or others or not isinstance(code, str):
            raise ValueError("the name of a problem (task_id) and one program are expected; say where with --columns")
        if prompt is None or not code.strip():
            raise LeftOutError("empty" if prompt else "no_prompt")
        if language_of(code) == "python2":
            raise LeftOutError("not_python")
        stated = read_license(columns.one(row, "license"))
        problem = Problem(task_id=name, prompt=prompt, tests=(), license=stated or license)
        submission = _Submission(problem=problem, code=code, verdict=_verdict(columns.one(row, "passed")))
        check_writable(submission)
    except Exception as error:  # noqa: BLE001 - see `drop_for`
        return drop_for(error, where, name)
    return submission


def _verdict(stated: Any) -> Verdict:
    word = str(int(stated) if isinstance(stated, bool) else stated).strip().lower()
    for words, verdict in _VERDICTS.items():
        if re.fullmatch(words, word):
            return verdict
    raise ValueError(f"the verdict {stated!r} says neither that the program passes nor that it fails")


def _trajectory(name: str, submissions: list[_Submission]) -> Trajectory:
    attempts = []
    for iteration, submission in enumerate(submissions):
        attempt = Attempt(
            iteration=iteration,
            code=submission.code,
            verdict=submission.verdict,
            feedback="",
            prompt_tokens=0,
            completion_tokens=0,
        )
        attempts.append(attempt)
    return Trajectory(
        task_id=name,
        solved=any(attempt.verdict == "passed" for attempt in attempts),
        attempts=tuple(attempts),
    )
