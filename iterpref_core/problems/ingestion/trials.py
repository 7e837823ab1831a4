"""Trials: a published problem's programs are run, to find out if its tests can be trusted.

1. Three right programs run, and more until one passes. The first that passes becomes the reference. If another one
   gives a different answer, several answers are right, and without a checker the tests know only one of them.
2. For a trajectory wrong programs run, those nearest to the reference first, until enough of them fail. The reference
   and these make the trajectory: a human error and its repair.
"""

from collections.abc import Callable
from itertools import chain

from iterpref_core.execution import REFERENCE_FACTOR, Outcome, moved_inside, time_limit
from iterpref_core.problems.ingestion.columns import LeftOutError
from iterpref_core.problems.ingestion.problem_rows import PublishedProblem
from iterpref_core.programs.source_code.line_diff import diff_lines
from iterpref_core.records import UNDECIDED, Attempt, Problem, StdinTest, Trajectory, Verdict

MOST_TRIED = 3
"""The number of right programs that are run once one has passed."""

Run = Callable[[Problem, str], Outcome]
"""A function that runs a program with all tests of a problem."""


def try_programs(row: PublishedProblem, run: Run, *, pairs: int) -> tuple[Problem, Trajectory | None]:
    """Run a row's programs as far as needed; return the problem with its reference, and a trajectory if there is one.

    Args:
        row: the row.
        run: runs a program.
        pairs: number of wrong programs that a trajectory shall have; wrong programs are run until so many fail.

    Raises:
        LeftOutError: no right program passes, or several answers are right.
        ExecutionError: the engine failed.
    """
    if not row.right:
        return row.readings[0], None
    reading, outcomes = _try_right(row, run)
    passing = [code for code, outcome in zip(row.right, outcomes, strict=False) if outcome.verdict == "passed"]
    first = outcomes[0]
    if not passing:
        # After an infra_error the program is known neither to pass nor to fail.
        reason = "reference_not_run" if first.verdict == "infra_error" else "reference_fails"
        raise LeftOutError(reason, f"{first.verdict}: {first.feedback}")
    tests = reading.tests + reading.hidden_tests
    has_checker = any(isinstance(test, StdinTest) and test.checker for test in tests)
    # Only a wrong answer counts: a right program may also fail because it is too slow here, or lacks a package.
    for outcome in outcomes:
        if outcome.verdict == "wrong_answer" and not has_checker:
            raise LeftOutError("several_answers", outcome.feedback)
    limit_s = reading.time_limit_s
    if limit_s is not None:
        # Right programs may need more on this machine.
        limit_s = time_limit(limit_s, max(outcome.slowest_s for outcome in outcomes if outcome.verdict == "passed"))
    problem = reading.model_copy(update={"reference": passing[0], "time_limit_s": limit_s})
    return problem, _try_wrong(row, problem, passing[0], run, pairs) if pairs else None


def _try_right(row: PublishedProblem, run: Run) -> tuple[Problem, list[Outcome]]:
    """Return the first reading that a right program passes, with the outcomes; if there is none, the first reading."""
    tried: list[tuple[Problem, list[Outcome]]] = []
    # Where no right program passes beside a judge, the tests may need its own process.
    for reading in chain(row.readings, filter(None, map(moved_inside, row.readings))):
        # The set's limit may be meant for a faster language or machine: right programs get more time.
        limit_s = reading.time_limit_s and reading.time_limit_s * REFERENCE_FACTOR
        patient = reading.model_copy(update={"time_limit_s": limit_s})
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


def _try_wrong(row: PublishedProblem, problem: Problem, right: str, run: Run, pairs: int) -> Trajectory | None:
    """Return the trajectory of the nearest wrong programs that fail, at most so many; None if there is none."""
    attempts: list[Attempt] = []
    # Nearest first: a pair teaches the most if the wrong program differs from the right one in few lines.
    for distance, code in sorted((_distance(code, right), code) for code in row.wrong):
        # A distance of 0: the program is a right one with other line ends.
        if distance == 0 or len(attempts) == pairs:
            continue
        outcome = run(problem, code)
        if outcome.verdict != "passed" and outcome.verdict not in UNDECIDED:
            # Feedback from hidden tests stays out: a model may read the trajectory.
            feedback = outcome.feedback if outcome.tests_passed < len(problem.tests) else ""
            failed = Attempt(iteration=len(attempts), code=code, verdict=outcome.verdict, feedback=feedback)
            attempts.append(failed)
    if not attempts:
        return None
    hidden: Verdict | None = "passed" if problem.hidden_tests else None
    repaired = Attempt(iteration=len(attempts), code=right, verdict="passed", hidden=hidden)
    return Trajectory(
        task_id=problem.task_id,
        solved=True,
        attempts=(*attempts, repaired),
        tests=problem.tests_digest,
    )


def _distance(wrong: str, right: str) -> int:
    """Return the number of lines in which two programs differ."""
    diff = diff_lines(wrong, right)
    return len(diff.rejected) + len(diff.chosen)
