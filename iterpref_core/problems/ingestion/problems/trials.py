"""Trials: a published problem's programs are run, to find out if its tests can be trusted.

1. Three right programs run, and more until one passes. The first that passes becomes the reference. If another one
   gives a different answer, several answers are right, and without a checker the tests know only one of them.
2. Wrong programs run, those nearest to a right one first. One that passes shows that the tests are weak.
3. A right program and the nearest wrong ones that fail make a trajectory: a human error and its repair.
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
"""The number of right programs that are run once one has passed, and of wrong ones that show if tests are weak."""

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
        weak_tests: True if a program passed that the set calls wrong.
        trajectory: a wrong program and a right one, if there are both.
        left_out: number of parts of the row that are not used, by part and reason.
    """

    where: str
    dropped: Dropped | None = None
    problem: Problem | None = None
    verdict: Verdict | None = None
    weak_tests: bool = False
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
    right = _try_right(row, run)
    first = right.outcomes[0].verdict
    reason, explanation = _reason_against(right)
    if reason:
        dropped = Dropped(reason, row.where, right.problem.task_id, explanation)
        return Tried(row.where, dropped=dropped, verdict=first)
    own_values: dict[str, object] = {"reference": right.passing[0]}
    if right.problem.time_limit_s is not None:
        # Right programs may need more on this machine.
        own_values["time_limit_s"] = time_limit(right.problem.time_limit_s, right.slowest_s)
    problem = right.problem.model_copy(update=own_values)
    weak, trajectory = _try_wrong(row, problem, right.passing, run, pairs)
    return Tried(row.where, problem=problem, verdict=first, weak_tests=weak, trajectory=trajectory)


@dataclass(frozen=True)
class _RightPrograms:
    """The right programs of a row, and their outcomes with one reading of the tests."""

    problem: Problem
    codes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def passing(self) -> list[str]:
        """Return the programs that pass."""
        pairs = zip(self.codes, self.outcomes, strict=True)
        return [code for code, outcome in pairs if outcome.verdict == "passed"]

    @property
    def slowest_s(self) -> float:
        """Return the CPU seconds of the slowest test, over the programs that pass."""
        return max(outcome.slowest_s for outcome in self.outcomes if outcome.verdict == "passed")


def _try_right(published: PublishedProblem, run: Run) -> _RightPrograms:
    """Return the outcomes with the first reading that a right program passes; if there is none, with the first."""
    first: _RightPrograms | None = None
    readings = (published.problem, *published.other_readings)
    # Where no right program passes beside a judge, the tests may need its own process.
    for reading in chain(readings, filter(None, map(moved_inside, readings))):
        # The set's limit may be meant for a faster language or machine: right programs get more time.
        patient = reading
        if reading.time_limit_s is not None:
            patient = reading.model_copy(update={"time_limit_s": reading.time_limit_s * REFERENCE_FACTOR})
        outcomes: list[Outcome] = []
        for code in published.right:
            passed = any(outcome.verdict == "passed" for outcome in outcomes)
            # Sets call some programs right that are not: the others are tried until one passes.
            if len(outcomes) >= MOST_TRIED and passed:
                break
            outcomes.append(run(patient, code))
        right = _RightPrograms(reading, published.right[: len(outcomes)], tuple(outcomes))
        if right.passing:
            return right
        first = first or right
    assert first is not None
    return first


def _reason_against(right: _RightPrograms) -> tuple[str, str]:
    """Return the reason to leave a problem out, and an explanation; empty texts for a problem that is taken."""
    first = right.outcomes[0]
    if not right.passing:
        # After an infra_error the program is known neither to pass nor to fail.
        reason = "reference_not_run" if first.verdict == "infra_error" else "reference_fails"
        return reason, f"{first.verdict}: {first.feedback}"
    # Only a wrong answer counts: a right program may also fail because it is too slow here, or lacks a package.
    for outcome in right.outcomes:
        if outcome.verdict == "wrong_answer" and not _has_checker(right.problem):
            return "several_answers", outcome.feedback
    return "", ""


def _has_checker(problem: Problem) -> bool:
    return any(isinstance(test, StdinTest) and test.checker for test in problem.tests + problem.hidden_tests)


def _try_wrong(
    published: PublishedProblem,
    problem: Problem,
    passing: Sequence[str],
    run: Run,
    pairs: int,
) -> tuple[bool, Trajectory | None]:
    """Return True if a wrong program passes, and the trajectory of the nearest wrong ones that fail."""
    weak = False
    failing: list[tuple[str, Outcome]] = []
    known_wrong_tried = 0
    # Nearest first: a pair teaches the most if the wrong program differs from the right one in few lines.
    candidates = [(_distance(code, passing), code) for code in published.wrong + published.unjudged]
    for distance, code in sorted(candidates):
        known_wrong = code in published.wrong
        for_trajectory = len(failing) < pairs
        for_weakness = known_wrong and known_wrong_tried < MOST_TRIED
        # A distance of 0: the program is a right one with other line ends.
        if distance == 0 or not (for_trajectory or for_weakness):
            continue
        outcome = run(problem, code)
        if known_wrong:
            known_wrong_tried += 1
        if outcome.verdict == "passed":
            weak = weak or known_wrong
        elif for_trajectory and outcome.verdict not in UNDECIDED:
            failing.append((code, outcome))
    if not failing:
        return weak, None
    nearest, _ = failing[0]
    right = min(passing, key=lambda code: _distance(nearest, [code]))
    return weak, _trajectory(problem, failing, right)


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
        failed = Attempt(
            iteration=iteration,
            code=code,
            verdict=outcome.verdict,
            feedback=outcome.feedback if visible else "",
            prompt_tokens=0,
            completion_tokens=0,
        )
        attempts.append(failed)
    repaired = Attempt(
        iteration=len(attempts),
        code=right,
        verdict="passed",
        feedback="",
        prompt_tokens=0,
        completion_tokens=0,
        hidden="passed" if problem.hidden_tests else None,
    )
    return Trajectory(
        task_id=problem.task_id,
        solved=True,
        attempts=(*attempts, repaired),
        tests=problem.tests_digest,
    )
