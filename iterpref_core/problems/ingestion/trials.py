"""Run the programs of a published problem, to find out if its tests can be trusted.

1. An empty program runs (demands.py): tests that it passes are left out.
2. Three right programs run, and more until one passes. The first that passes becomes the reference. If another one
   gives a different answer, several answers are right, and without a checker the tests accept only one.
3. A reference whose outcome may vary, by clock, network or order, runs again: tests that it sometimes fails would judge
   right programs by chance.
4. For a trajectory wrong programs run, those nearest to the reference first, until enough of them fail. The reference
   and these make the trajectory: a human error and its repair.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Protocol

from iterpref_core.execution import REFERENCE_FACTOR, Outcome, run_until_failure, tests_inside, time_limit
from iterpref_core.programs.source_code.line_diff import diff_lines
from iterpref_core.programs.source_code.names import imported_modules
from iterpref_core.programs.source_code.syntax_tree import shared_tree
from iterpref_core.records import UNDECIDED, Attempt, Problem, StdinTest, Trajectory, Verdict

from .columns import DroppedError
from .problem_rows import PublishedProblem

MOST_TRIED = 3
"""The number of right programs that are run once one has passed."""
RUNS = 10
"""The number of runs that a reference must pass: tests that fail 3 of 10 times pass all of them 3 times of 100."""
_STEADY = {"bisect", "collections", "functools", "heapq", "itertools", "math", "re", "string", "sys", "typing"}
"""Modules that do the same in every run."""


class Run(Protocol):
    """A function that makes one for a problem, which runs a program with all of its tests."""

    def __call__(self, problem: Problem, wall_s: float | None = None, number: int = 0) -> Callable[[str], Outcome]:
        """Return the function; `wall_s`: see `Program`; `number`: of the run, as each is stored by itself."""


def find_reference(row: PublishedProblem, run: Run) -> Problem:
    """Run a row's right programs as far as needed; return the problem with the first that passes, if there are some.

    Args:
        row: the row.
        run: runs programs.

    Raises:
        DroppedError: no right program passes, or several answers are right.
        ExecutionError: the engine failed.
    """
    if not row.right:
        return row.problem
    reading, tried = _try_right(row, run)
    outcomes = [outcome for _, outcome in tried]
    passing = [code for code, outcome in tried if outcome.verdict == "passed"]
    first = outcomes[0]
    if not passing:
        # After an infra_error the program is known neither to pass nor to fail.
        reason = "reference_not_run" if first.verdict == "infra_error" else "reference_fails"
        raise DroppedError(reason, f"{first.verdict}: {first.feedback}")
    tests = reading.tests + reading.hidden_tests
    has_checker = any(isinstance(test, StdinTest) and test.checker for test in tests)
    # Only a wrong answer counts: a right program may also fail because it is too slow here, or lacks a package.
    for outcome in outcomes:
        if outcome.verdict == "wrong_answer" and not has_checker:
            raise DroppedError("several_answers", outcome.feedback)
    imported = imported_modules(shared_tree(f"{reading.setup or ''}\n{passing[0]}"))
    if tests_inside(reading) or not _STEADY.issuperset(imported):
        number, last = run_until_failure(RUNS, lambda number: run(_patient(reading), number=number)(passing[0]))
        if last.verdict not in UNDECIDED:
            raise DroppedError("flaky", f"run {number + 1} of its reference: {last.verdict}: {last.feedback}")
    limit_s = reading.time_limit_s
    if limit_s is not None:
        # Right programs may need more on this machine.
        limit_s = time_limit(limit_s, max(outcome.slowest_s for outcome in outcomes if outcome.verdict == "passed"))
    return reading.model_copy(update={"reference": passing[0], "time_limit_s": limit_s})


def _try_right(row: PublishedProblem, run: Run) -> tuple[Problem, list[tuple[str, Outcome]]]:
    """Return the first reading that a right program passes, with programs and outcomes; if none, the closest reading.

    The closest one passes the most tests. Each reading runs the first programs, the closest one all.
    """
    failed: list[tuple[int, Problem, list[tuple[str, Outcome]]]] = []
    for reading in chain([row.problem], row.others):
        for placed in (reading, reading.model_copy(update={"inside": True})):
            judge = run(_patient(placed))
            tried = [(code, judge(code)) for code in row.right[:MOST_TRIED]]
            verdicts = [outcome.verdict for _, outcome in tried]
            if "passed" in verdicts:
                return placed, tried
            failed.append((sum(outcome.tests_passed for _, outcome in tried), placed, tried))
            # Inside, Python's own `==` may handle a value that has no plain form.
            if "bad_return_type" not in verdicts:
                break
    _, reading, tried = max(failed, key=itemgetter(0))
    judge = run(_patient(reading))
    # Sets call some programs right that are not: the others are tried until one passes.
    for code in row.right[MOST_TRIED:]:
        tried.append((code, judge(code)))
        if tried[-1][1].verdict == "passed":
            break
    return reading, tried


def _patient(reading: Problem) -> Problem:
    """Return a problem with more time: its limit may be meant for a faster language or machine."""
    limit_s = reading.time_limit_s and reading.time_limit_s * REFERENCE_FACTOR
    return reading.model_copy(update={"time_limit_s": limit_s})


def find_failures(problem: Problem, wrong: Sequence[str], run: Run, pairs: int) -> Trajectory | None:
    """Run wrong programs, nearest to the reference first, and return the trajectory of the programs that fail.

    Args:
        problem: the problem with its reference.
        wrong: programs that may be wrong.
        run: runs programs.
        pairs: number of failing programs for a trajectory; after this many failures the rest are not run.

    Returns:
        the failing programs and the reference; None if no program fails.

    Raises:
        ExecutionError: the engine failed.
    """
    right = problem.reference or ""
    judge = run(problem)
    attempts: list[Attempt] = []
    # Nearest first: a pair teaches the most if the wrong program differs from the right one in few lines.
    for distance, code in sorted((_distance(code, right), code) for code in wrong):
        # A distance of 0: the program is a right one with other line ends.
        if distance == 0 or len(attempts) == pairs:
            continue
        outcome = judge(code)
        if outcome.verdict not in UNDECIDED:
            # Feedback from hidden tests stays out: a model may read the trajectory.
            feedback = outcome.feedback if outcome.tests_passed < len(problem.tests) else ""
            failed = Attempt(
                iteration=len(attempts), code=code, verdict=outcome.verdict, feedback=feedback, inside=outcome.inside
            )
            attempts.append(failed)
    if not attempts:
        return None
    hidden: Verdict | None = "passed" if problem.hidden_tests else None
    repaired = Attempt(
        iteration=len(attempts), code=right, verdict="passed", hidden=hidden, inside=tests_inside(problem)
    )
    return Trajectory(
        task_id=problem.task_id,
        solved=True,
        attempts=(*attempts, repaired),
        tests=problem.tests_digest,
    )


def _distance(wrong: str, right: str) -> int:
    """Return the number of lines that differ between two programs."""
    diff = diff_lines(wrong, right)
    return len(diff.rejected) + len(diff.chosen)
