"""Trials: a published problem's programs are run, and say whether its tests can be believed.

1. Up to three right programs run. The first that passes becomes the reference. If others print or return something
   else, there are several answers, and without a checker the tests cannot tell which of them are right.
2. Wrong programs run, those nearest to a right one first. One that passes shows that the tests are weak.
3. A right program and the nearest one that fails are a trajectory: a human error and its repair.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from iterpref_core.execution import REFERENCE_FACTOR, Outcome, time_limit
from iterpref_core.problems.ingestion.left_out import Dropped
from iterpref_core.problems.ingestion.rows import Candidate
from iterpref_core.problems.published.published import PublishedProblem
from iterpref_core.records import UNDECIDED, Attempt, Problem, StdinTest, Trajectory, Verdict
from iterpref_core.source_code.line_diff import diff_lines

MOST_TRIED = 3
"""Programs of a kind that are run."""

Run = Callable[[Problem, str], Outcome]
"""Runs a program with all tests of a problem."""


@dataclass(frozen=True)
class Tried:
    """The outcome of a row.

    Attributes:
        where: place of the row.
        dropped: why it is left out; None where it is taken.
        problem: the problem, with its reference.
        verdict: of the first right program; None where the row has none.
        weak_tests: whether a program passed that the set calls wrong.
        trajectory: a wrong program and a right one, where there are both.
        left_out: programs in other languages, by language.
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
        pairs: whether a trajectory is wanted, for which more of the wrong programs may have to be run.

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
    limit = _scaled(right.problem, right.slowest_s)
    problem = right.problem.model_copy(update={"reference": right.passing[0], "time_limit_s": limit})
    weak, trajectory = _try_wrong(published, problem, right.passing, run, pairs=pairs)
    return Tried(row.where, None, problem, first, weak, trajectory, left_out)


@dataclass(frozen=True)
class _RightPrograms:
    """Right programs, and their outcomes with one reading of the problem's tests."""

    problem: Problem
    codes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def passing(self) -> list[str]:
        """Return those that pass."""
        pairs = zip(self.codes, self.outcomes, strict=True)
        return [code for code, outcome in pairs if outcome.verdict == "passed"]

    @property
    def slowest_s(self) -> float:
        """Return the CPU seconds of the slowest test that a program passed."""
        return max(outcome.slowest_s for outcome in self.outcomes if outcome.verdict == "passed")


def _try_right(published: PublishedProblem, run: Run) -> _RightPrograms:
    """Run right programs with one reading after the other; return the first that one passes, else the plainest."""
    codes = published.right[:MOST_TRIED]
    tried = []
    for reading in (published.problem, *published.other_readings):
        # A source's limit may be of a faster language and machine: its own programs get more time.
        patient = reading
        if reading.time_limit_s is not None:
            patient = reading.model_copy(update={"time_limit_s": reading.time_limit_s * REFERENCE_FACTOR})
        outcomes = tuple(run(patient, code) for code in codes)
        tried.append(_RightPrograms(reading, codes, outcomes))
        if tried[-1].passing:
            return tried[-1]
    return tried[0]


def _reason_against(right: _RightPrograms) -> tuple[str, str]:
    """Return why the problem is left out, and an explanation; empty texts where it is taken."""
    first = right.outcomes[0]
    if not right.passing:
        # An infra_error says nothing about the program, but it is not known to pass either.
        reason = "reference_not_run" if first.verdict == "infra_error" else "reference_fails"
        return reason, f"{first.verdict}: {first.feedback}"
    # A right program that is too slow here, or lacks a package, says nothing about the answers.
    for outcome in right.outcomes:
        if outcome.verdict == "wrong_answer" and not _has_checker(right.problem):
            return "several_answers", outcome.feedback
    return "", ""


def _scaled(problem: Problem, reference_s: float) -> float | None:
    """Return the source's time limit, or what right programs need here if that is more."""
    return None if problem.time_limit_s is None else time_limit(problem.time_limit_s, reference_s)


def _has_checker(problem: Problem) -> bool:
    return any(isinstance(test, StdinTest) and test.checker for test in problem.tests + problem.hidden_tests)


def _try_wrong(
    published: PublishedProblem, problem: Problem, passing: Sequence[str], run: Run, *, pairs: bool
) -> tuple[bool, Trajectory | None]:
    """Return whether a wrong program passes, and the trajectory of the nearest that fails."""
    weak = False
    nearest: tuple[str, Outcome] | None = None
    tried = 0
    for distance, code in sorted((_distance(code, passing), code) for code in published.wrong + published.unjudged):
        known_wrong = code in published.wrong
        wanted = (pairs and nearest is None) or (known_wrong and tried < MOST_TRIED)
        if not wanted or distance == 0:
            continue
        outcome = run(problem, code)
        tried += known_wrong
        if outcome.verdict == "passed":
            weak = weak or known_wrong
        elif nearest is None and outcome.verdict not in UNDECIDED:
            nearest = code, outcome
    if nearest is None or not pairs:
        return weak, None
    wrong, outcome = nearest
    right = min(passing, key=lambda code: _distance(wrong, [code]))
    return weak, _trajectory(problem, wrong, outcome, right)


def _distance(wrong: str, right: Sequence[str]) -> int:
    """Return in how many lines a program differs from the nearest of others."""
    return min(len(diff.rejected) + len(diff.chosen) for diff in (diff_lines(wrong, code) for code in right))


def _trajectory(problem: Problem, wrong: str, outcome: Outcome, right: str) -> Trajectory:
    """Return the repair of a wrong program. Feedback of a hidden test stays hidden: a model may be shown it."""
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
        iteration=1, code=right, verdict="passed", feedback="", prompt_tokens=0, completion_tokens=0, hidden="passed"
    )
    attempts = (failed, repaired if problem.hidden_tests else repaired.model_copy(update={"hidden": None}))
    return Trajectory(task_id=problem.task_id, solved=True, attempts=attempts, tests=problem.tests_digest)
