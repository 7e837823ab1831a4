"""Trials: a published problem's programs are run, to find out if its tests can be trusted.

1. Three right programs run, and more until one passes. The first that passes becomes the reference. If another one
   gives a different answer, several answers are right, and without a checker the tests know only one of them.
2. For a trajectory wrong programs run, those nearest to a right one first, until enough of them fail. A right program
   and these make the trajectory: a human error and its repair.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from iterpref_core.execution import REFERENCE_FACTOR, Outcome, moved_inside, time_limit
from iterpref_core.problems.ingestion.problems.published import PublishedProblem, drop_for
from iterpref_core.programs.source_code.line_diff import diff_lines
from iterpref_core.records import UNDECIDED, Attempt, Problem, StdinTest, Trajectory, Verdict
from iterpref_core.storage.left_out import Dropped

MOST_TRIED = 3
"""The number of right programs that are run once one has passed."""

Run = Callable[[Problem, str], Outcome]
"""A function that runs a program with all tests of a problem."""


@dataclass(frozen=True)
class Tried:
    """The outcome of a row.

    Attributes:
        where: place of the row.
        dropped: the row with its reason, if it is left out.
        problem: the problem with its reference, if the row is taken.
        verdict: verdict on the first right program; None if the row has no right program.
        trajectory: a wrong program and a right one, if there are both.
        left_out: number of parts of the row that are not used, by part and reason.
    """

    where: str
    dropped: Dropped | None = None
    problem: Problem | None = None
    verdict: Verdict | None = None
    trajectory: Trajectory | None = None
    left_out: Counter[str] = field(default_factory=Counter)


def try_programs(row: PublishedProblem | Dropped, run: Run, *, pairs: int) -> Tried:
    """Run a row's programs as far as needed.

    Args:
        row: the row.
        run: runs a program.
        pairs: number of wrong programs that a trajectory shall have; wrong programs are run until so many fail.

    Raises:
        ExecutionError: the engine failed.
    """
    if isinstance(row, Dropped):
        return Tried(row.where, dropped=row)
    name = row.problem.task_id
    try:
        return replace(_try(row, run, pairs), left_out=row.left_out)
    except (ValueError, TypeError, RecursionError) as error:
        # A text of this row that no program can be given; other rows go on.
        return Tried(row.where, dropped=drop_for(error, row.where, name))


def _try(row: PublishedProblem, run: Run, pairs: int) -> Tried:
    if not row.right:
        return Tried(row.where, problem=row.problem)
    reading, outcomes = _try_right(row, run)
    first = outcomes[0].verdict
    judged = list(zip(row.right, outcomes, strict=False))
    passing = [code for code, outcome in judged if outcome.verdict == "passed"]
    reason, explanation = _reason_against(reading, outcomes)
    if reason:
        return Tried(row.where, Dropped(reason, row.where, reading.task_id, explanation), verdict=first)
    problem = reading.model_copy(update={"reference": passing[0]})
    if reading.time_limit_s is not None:
        # Right programs may need more on this machine.
        slowest = max(outcome.slowest_s for outcome in outcomes if outcome.verdict == "passed")
        problem = problem.model_copy(update={"time_limit_s": time_limit(reading.time_limit_s, slowest)})
    return Tried(row.where, problem=problem, verdict=first, trajectory=_try_wrong(row, problem, passing, run, pairs))


def _try_right(row: PublishedProblem, run: Run) -> tuple[Problem, list[Outcome]]:
    """Return the first reading that a right program passes, with the outcomes; if there is none, the first reading."""
    tried: list[tuple[Problem, list[Outcome]]] = []
    readings = (row.problem, *row.other_readings)
    # Where no right program passes beside a judge, the tests may need its own process.
    for reading in chain(readings, filter(None, map(moved_inside, readings))):
        # The set's limit may be meant for a faster language or machine: right programs get more time.
        patient = reading
        if reading.time_limit_s is not None:
            patient = reading.model_copy(update={"time_limit_s": reading.time_limit_s * REFERENCE_FACTOR})
        outcomes: list[Outcome] = []
        passed = False
        for code in row.right:
            # Sets call some programs right that are not: the others are tried until one passes.
            if len(outcomes) >= MOST_TRIED and passed:
                break
            outcomes.append(run(patient, code))
            passed = passed or outcomes[-1].verdict == "passed"
        tried.append((reading, outcomes))
        if passed:
            return reading, outcomes
    return tried[0]


def _reason_against(problem: Problem, outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """Return the reason to leave a problem out, and an explanation; empty texts for a problem that is taken."""
    first = outcomes[0]
    if not any(outcome.verdict == "passed" for outcome in outcomes):
        # After an infra_error the program is known neither to pass nor to fail.
        reason = "reference_not_run" if first.verdict == "infra_error" else "reference_fails"
        return reason, f"{first.verdict}: {first.feedback}"
    has_checker = any(isinstance(test, StdinTest) and test.checker for test in problem.tests + problem.hidden_tests)
    # Only a wrong answer counts: a right program may also fail because it is too slow here, or lacks a package.
    for outcome in outcomes:
        if outcome.verdict == "wrong_answer" and not has_checker:
            return "several_answers", outcome.feedback
    return "", ""


def _try_wrong(
    row: PublishedProblem, problem: Problem, passing: Sequence[str], run: Run, pairs: int
) -> Trajectory | None:
    """Return the trajectory of the nearest wrong programs that fail, at most so many; None if there is none."""
    failing: list[tuple[str, Outcome]] = []
    # Nearest first: a pair teaches the most if the wrong program differs from the right one in few lines.
    candidates = [(_distance(code, passing), code) for code in row.wrong] if pairs else []
    for distance, code in sorted(candidates):
        # A distance of 0: the program is a right one with other line ends.
        if distance == 0 or len(failing) == pairs:
            continue
        outcome = run(problem, code)
        if outcome.verdict != "passed" and outcome.verdict not in UNDECIDED:
            failing.append((code, outcome))
    if not failing:
        return None
    nearest, _ = failing[0]
    right = min(passing, key=lambda code: _distance(nearest, [code]))
    return _trajectory(problem, failing, right)


def _distance(wrong: str, right: Sequence[str]) -> int:
    """Return the number of lines in which a program differs from the nearest right one."""
    distances = []
    for code in right:
        diff = diff_lines(wrong, code)
        distances.append(len(diff.rejected) + len(diff.chosen))
    return min(distances)


def _trajectory(problem: Problem, wrong: Sequence[tuple[str, Outcome]], right: str) -> Trajectory:
    """Return the repair of wrong programs, without feedback from hidden tests: a model may read the trajectory."""
    attempts = []
    for iteration, (code, outcome) in enumerate(wrong):
        visible = outcome.tests_passed < len(problem.tests)
        attempts.append(_attempt(iteration, code, outcome.verdict, feedback=outcome.feedback if visible else ""))
    hidden: Verdict | None = "passed" if problem.hidden_tests else None
    repaired = _attempt(len(attempts), right, "passed", hidden=hidden)
    return Trajectory(
        task_id=problem.task_id,
        solved=True,
        attempts=(*attempts, repaired),
        tests=problem.tests_digest,
    )


def _attempt(iteration: int, code: str, verdict: Verdict, feedback: str = "", hidden: Verdict | None = None) -> Attempt:
    return Attempt(
        iteration=iteration,
        code=code,
        verdict=verdict,
        feedback=feedback,
        prompt_tokens=0,
        completion_tokens=0,
        hidden=hidden,
    )
