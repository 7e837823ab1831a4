"""Trials: a published problem's programs are run, to find out if its tests can be trusted.

1. Up to three right programs run. The first that passes becomes the reference. If another one gives a different
   answer, several answers are right, and without a checker the tests know only one of them.
2. Wrong programs run, those nearest to a right one first. One that passes shows that the tests are weak.
3. A right program and the nearest wrong one that fails make a trajectory: a human error and its repair.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from iterpref_core.execution import REFERENCE_FACTOR, Outcome, time_limit
from iterpref_core.ingestion.published.published import PublishedProblem
from iterpref_core.ingestion.rows import Candidate
from iterpref_core.records import UNDECIDED, Attempt, Problem, StdinTest, Trajectory, Verdict
from iterpref_core.source_code.line_diff import diff_lines
from iterpref_core.storage.left_out import Dropped

MOST_TRIED = 3
"""The number of right programs that are run at most, and of wrong ones."""

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
        left_out: number of programs in other languages, by language.
    """

    where: str
    dropped: Dropped | None = None
    problem: Problem | None = None
    verdict: Verdict | None = None
    weak_tests: bool = False
    trajectory: Trajectory | None = None
    left_out: Counter[str] = field(default_factory=Counter)


def try_programs(row: Candidate | Dropped, run: Run, *, pairs: bool) -> Tried:
    """Run a row's programs as far as needed.

    Args:
        row: the row.
        run: runs a program.
        pairs: True: a trajectory is wanted, so wrong programs are run until one fails.

    Raises:
        ExecutionError: the engine failed.
    """
    if isinstance(row, Dropped):
        return Tried(row.where, dropped=row)
    published = row.published
    left_out = Counter(published.left_out)
    if not published.right:
        return Tried(row.where, problem=published.problem, left_out=left_out)
    right = _try_right(published, run)
    first = right.outcomes[0].verdict
    reason, explanation = _reason_against(right)
    if reason:
        dropped = Dropped(reason, row.where, right.problem.task_id, explanation)
        return Tried(row.where, dropped=dropped, verdict=first, left_out=left_out)
    own_values = {
        "reference": right.passing[0],
        "time_limit_s": _scaled(right.problem, right.slowest_s),
    }
    problem = right.problem.model_copy(update=own_values)
    weak, trajectory = _try_wrong(published, problem, right.passing, run, pairs=pairs)
    return Tried(
        row.where,
        problem=problem,
        verdict=first,
        weak_tests=weak,
        trajectory=trajectory,
        left_out=left_out,
    )


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
    codes = published.right[:MOST_TRIED]
    tried = []
    for reading in (published.problem, *published.other_readings):
        # The set's limit may be meant for a faster language or machine: right programs get more time.
        patient = reading
        if reading.time_limit_s is not None:
            patient = reading.model_copy(update={"time_limit_s": reading.time_limit_s * REFERENCE_FACTOR})
        outcomes = tuple(run(patient, code) for code in codes)
        right = _RightPrograms(reading, codes, outcomes)
        if right.passing:
            return right
        tried.append(right)
    return tried[0]


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


def _scaled(problem: Problem, reference_s: float) -> float | None:
    """Return the set's time limit, raised if right programs need more on this machine."""
    if problem.time_limit_s is None:
        return None
    return time_limit(problem.time_limit_s, reference_s)


def _has_checker(problem: Problem) -> bool:
    return any(isinstance(test, StdinTest) and test.checker for test in problem.tests + problem.hidden_tests)


def _try_wrong(
    published: PublishedProblem,
    problem: Problem,
    passing: Sequence[str],
    run: Run,
    *,
    pairs: bool,
) -> tuple[bool, Trajectory | None]:
    """Return True if a wrong program passes, and the trajectory of the nearest wrong one that fails."""
    weak = False
    nearest: tuple[str, Outcome] | None = None
    known_wrong_tried = 0
    # Nearest first: a pair teaches the most if the wrong program differs from the right one in few lines.
    candidates = [(_distance(code, passing), code) for code in published.wrong + published.unjudged]
    for distance, code in sorted(candidates):
        known_wrong = code in published.wrong
        for_trajectory = pairs and nearest is None
        for_weakness = known_wrong and known_wrong_tried < MOST_TRIED
        # A distance of 0: the program is a right one with other line ends.
        if distance == 0 or not (for_trajectory or for_weakness):
            continue
        outcome = run(problem, code)
        if known_wrong:
            known_wrong_tried += 1
        if outcome.verdict == "passed":
            weak = weak or known_wrong
        elif nearest is None and outcome.verdict not in UNDECIDED:
            nearest = (code, outcome)
    if nearest is None or not pairs:
        return weak, None
    wrong, outcome = nearest
    right = min(passing, key=lambda code: _distance(wrong, [code]))
    return weak, _trajectory(problem, wrong, outcome, right)


def _distance(wrong: str, right: Sequence[str]) -> int:
    """Return the number of lines in which a program differs from the nearest right one."""
    distances = []
    for code in right:
        diff = diff_lines(wrong, code)
        distances.append(len(diff.rejected) + len(diff.chosen))
    return min(distances)


def _trajectory(problem: Problem, wrong: str, outcome: Outcome, right: str) -> Trajectory:
    """Return the repair of a wrong program, without feedback from hidden tests: a model may read the trajectory."""
    visible = outcome.tests_passed < len(problem.tests)
    failed = Attempt(
        iteration=0,
        code=wrong,
        verdict=outcome.verdict,
        feedback=outcome.feedback if visible else "",
        prompt_tokens=0,
        completion_tokens=0,
    )
    repaired = Attempt(
        iteration=1,
        code=right,
        verdict="passed",
        feedback="",
        prompt_tokens=0,
        completion_tokens=0,
        hidden="passed",
    )
    if not problem.hidden_tests:
        repaired = repaired.model_copy(update={"hidden": None})
    attempts = (failed, repaired)
    return Trajectory(
        task_id=problem.task_id,
        solved=True,
        attempts=attempts,
        tests=problem.tests_digest,
    )
