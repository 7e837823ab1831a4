"""Turn rows of single programs with verdicts into trajectories, so that `pair` can choose from them."""

import re
import tempfile
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.problems.ingestion.columns import Columns, DroppedError, unknown_verdict
from iterpref_core.problems.ingestion.intake import Ingested, Wanted, open_intake
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.programs import is_cut, is_no_program, is_program, is_python_2, program_in
from iterpref_core.problems.ingestion.prompts import read_statement
from iterpref_core.problems.ingestion.values import Row, read_license
from iterpref_core.records import Attempt, Problem, Trajectory, Verdict, prompt_text, statement_name, take_name

from .preference_pairs import answer_turns

# The place of a failure after a judge's short word: `TLE on test 3`, `WA 3`.
_ON_TEST = r"( on .*| \d+)?"
# Judges' words for a verdict -> the verdict. Details may follow a failure: `Wrong answer on test 3`. Submissions that
# still wait for their verdict match no word.
_VERDICTS: dict[str, Verdict] = {
    r"(accepted|ac|ok|pass(ed)?|correct|success(ful)?|solved|right)( 100){0,2}|true|yes|1( 0)?|100": "passed",
    rf"wrong( (answer|output).*)?|wa{_ON_TEST}|fail(ed|ure)?\b.*|incorrect.*|false|no|0( \d+)?|challenged|hacked"
    r"|(wa )?presentation error|pe|rejected|partial(ly)?( accepted| correct)?( \d+){0,2}": "wrong_answer",
    rf"(time|idleness) limit.*|(tle?|ile?){_ON_TEST}|timeout|timed out": "timeout",
    rf"memory limit.*|mle?{_ON_TEST}": "memory",
    rf"output limit.*|ole?{_ON_TEST}": "output_limit",
    rf"run ?time error.*|rte( .*)?|re( nzec| sig\w+| other)?{_ON_TEST}|exception|crash(ed)?": "exception",
    r"compil(e|ation) error.*|ce": "syntax_error",
}


class _Group(NamedTuple):
    """The programs for one problem.

    Attributes:
        problem: the problem, as its first row has it.
        licenses: the license of each program's row.
        places: the place of each attempt in the temporary file.
    """

    problem: Problem
    licenses: list[str | None]
    places: list[int]


def ingest_submissions(
    wanted: Wanted, out: Path, trajectories: Path, columns: str | None, dropped: Path | None = None
) -> Ingested:
    """Turn single programs with verdicts into problems without tests and the trajectories of their attempts.

    No program is run: the verdicts are the word of the set.

    Args:
        wanted: the rows to read.
        out: JSONL of problems to write, for `pair`.
        trajectories: JSONL of trajectories to write, in the order of the problems' first rows.
        columns: names of columns, such as `task_id=problem,prompt=statement,program=code,passed=status`.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `problems`, `solved` problems, `attempts`, and `dropped/<reason>`.

    Raises:
        ConfigError: the columns cannot be understood.
        InputError: a file is absent, or no row has a program.
    """
    # Programs are kept in a temporary file until all have come; only their places are in memory.
    groups: dict[tuple[str, str], _Group] = {}
    names: Counter[str] = Counter()
    with open_intake(wanted, PRESETS["submissions"], columns, dropped) as intake, tempfile.TemporaryFile() as kept:
        problem_file = intake.open_file(out)
        trajectory_file = intake.open_file(trajectories)

        def take(row: dict[str, Any]) -> tuple[str, Problem, Attempt, Counter[str]]:
            statement, problem, attempt = _read(row, intake.columns, intake.license)
            return statement, problem, attempt, intake.screen(problem, attempt)

        for item, (statement, problem, attempt, found) in intake.take(take):
            intake.counts.update(found)
            rows = intake.rows_of(item, problem.license)
            named = problem.model_copy(update={"provenance": rows})
            group = groups.setdefault((problem.task_id, statement), _Group(named, [], []))
            update = {"iteration": len(group.places), "provenance": rows}
            group.licenses.append(problem.license)
            group.places.append(kept.tell())
            kept.write(attempt.model_copy(update=update).to_json().encode() + b"\n")
        # All programs are known now: write one problem and one trajectory for each group.
        for problem, licenses, places in groups.values():
            attempts = []
            for place in places:
                kept.seek(place)
                attempts.append(Attempt.model_validate_json(kept.readline()))
            name = take_name(problem.task_id, names)
            trajectory = Trajectory(
                task_id=name,
                solved=any(attempt.verdict == "passed" for attempt in attempts),
                attempts=tuple(attempts),
                provenance=problem.provenance,
            )
            # Any two of the programs may become a pair.
            written = problem.model_copy(update={"task_id": name, "license": read_license(licenses)})
            problem_file.write(written.to_json() + "\n")
            trajectory_file.write(trajectory.to_json() + "\n")
            intake.counts.update(problems=1, solved=trajectory.solved, attempts=len(attempts))
    return intake.result


def _read(row: Row, columns: Columns, license: str | None) -> tuple[str, Problem, Attempt]:
    """Return a name of a row's statement, its problem, and the attempt at it.

    A problem is identified by its own name and its statement's, since two files may each count their problems from 1.
    Without a name, texts must be equal letter by letter: if two tasks were joined, one's right program would count as
    the other's.

    Raises:
        DroppedError: the row has no Python program, or a cut one.
        ValueError: a column is missing, or holds something else.
    """
    columns.check_wanted(row)
    answer = answer_turns(row, columns, "program")[-1].content
    code = program_in(answer)
    verdict = _verdict(columns.one(row, "passed"), columns)
    if not code.strip():
        raise DroppedError("empty", "the answer is empty")
    if is_cut(answer, code):
        raise DroppedError("truncated", "the answer ends in a block; if only its last fence is missing, add it")
    # A program that fails may have a syntax error, but not the syntax of another language.
    if is_python_2(code) or (verdict == "passed" and not is_program(code)):
        raise DroppedError("not_python", "the program is not Python 3")
    if is_no_program(code):
        raise DroppedError("no_code", "the answer has no Python program: it is prose, data or another language")
    prompt = read_statement(row, columns)
    of_statement = statement_name(prompt)
    name = columns.name(row, "task_id")
    identity = of_statement if name else sha256(prompt_text(prompt).encode("utf-8", "surrogatepass")).hexdigest()
    stated = read_license(columns.one(row, "license"))
    name = name or of_statement
    problem = Problem(task_id=name, prompt=prompt, tests=(), license=stated or license)
    return identity, problem, Attempt(iteration=0, code=code, verdict=verdict)


def _verdict(stated: Any, columns: Columns) -> Verdict:
    """Return the verdict that a judge's word means: `WRONG_ANSWER`, `WA: Presentation Error`, True, or 1.0 of pandas.

    Raises:
        ConfigError: it is a number that the user must explain, such as an exit code.
        ValueError: it is the word of no judgment.
    """
    # In a column with nulls, pandas has decimal numbers.
    number = isinstance(stated, bool | float) and float(stated).is_integer()
    word = " ".join(re.findall(r"\B-\d+|[a-z0-9]+", str(int(stated) if number else stated).lower()))
    if columns.passing and stated is not None:
        return "passed" if columns.passing.lower() in (word, str(stated).lower()) else "wrong_answer"
    for words, verdict in _VERDICTS.items():
        if re.fullmatch(words, word):
            return verdict
    # -1 marks programs that nobody has judged.
    if re.fullmatch(r"-?([2-9]|\d\d+)", word):
        raise unknown_verdict(f"it holds {word}, as exit codes and points do", "+".join(columns.names["passed"]))
    raise ValueError(f"the verdict {stated!r} means neither that the program passes nor that it fails")
