"""Make programs of problems and their candidates, and decide where the tests of a problem run.

The decision is made once, when a problem is ingested, and is then a field of the problem (`Problem.inside`).
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import InputError, Inside, Problem, Sample, StdinTest, Test

from .protocol.programs import Outcome, Program
from .ruling.steps import plan_of
from .running.engine import Engine

logger = logging.getLogger(__name__)


def begins_program(prompt: str) -> bool:
    r"""Return whether a prompt is the beginning of a program, so that a completion goes on with it; else it is prose.

    >>> begins_program("def f(x):\n    'Add 1.'\n"), begins_program("Write f(x), which adds 1.")
    (True, False)
    """
    # A signature and docstring need a body to be a program.
    for ending in ("", "\n    pass", "\n\tpass", "\n        pass"):
        try:
            return bool(parse_source(prompt + ending).body)
        except SyntaxError:
            continue
    return False


def whole_program(begun: str, sample: Sample) -> str:
    """Return the whole program of a sample; a `completion` goes on with the prompt, unless the prompt is prose."""
    # As in EvalPlus, a whole solution counts before a completion.
    if sample.solution is not None:
        return sample.solution
    completion = sample.completion or ""
    return begun + completion if begins_program(begun) else completion


def make_program(problem: Problem, code: str, tests: tuple[Test, ...], wall_s: float | None = None) -> Program:
    """Return a program with some tests of its problem, and with the problem's time limit for each of them.

    Args:
        problem: the problem.
        code: the whole program.
        tests: some of its tests.
        wall_s: see `Program`.
    """
    limit = problem.time_limit_s
    # Each stdin test has a process of its own. All other tests share one, which may take the time of all of them:
    # ten tests of two seconds each, twenty seconds.
    share = 1 if any(isinstance(test, StdinTest) for test in tests) else len(tests)
    return Program(
        code,
        tests,
        problem.setup or "",
        cpu_s=limit and limit * share,
        wall_s=wall_s,
        test_cpu_s=limit,
        inside=bool(problem.inside),
    )


def program_of(problem: Problem, code: str, wall_s: float | None = None) -> Program:
    """Return a program with all tests of its problem, the hidden ones last."""
    return make_program(problem, code, problem.tests + problem.hidden_tests, wall_s)


def tests_inside(problem: Problem) -> int:
    """Return how many tests of a problem run inside, in the process of the program, which can lie to them."""
    return plan_of(program_of(problem, "")).inside


def run_until_failure(runs: int, run: Callable[[int], Outcome]) -> tuple[int, Outcome]:
    """Run a reference until it fails, or all times; return the number of the last run, from 0, and its outcome."""
    for number in range(runs):
        outcome = run(number)
        if outcome.verdict != "passed":
            break
    return number, outcome


def run_right_program(problem: Problem, code: str, executor: Engine) -> tuple[Problem, Outcome]:
    """Run a right program; return its problem, with the place where its tests run, and the outcome.

    The tests run inside if the right program returns an object that the supervisor cannot compare, and passes inside.
    """
    # `assert point(1) == (1, 2)`, where the reference returns a class of its own that equals a tuple
    outcome = executor.run_one(program_of(problem, code))
    if outcome.verdict == "bad_return_type" and not problem.inside:
        moved = problem.model_copy(update={"inside": True})
        outcome_inside = executor.run_one(program_of(moved, code))
        if outcome_inside.verdict == "passed":
            return moved, outcome_inside
    return problem, outcome


def reference_outcomes(problems: Iterable[Problem], executor: Engine) -> Iterator[tuple[Problem, Outcome | None]]:
    """Run each problem's own reference; return the problems as `run_right_program` does, and the outcomes, in order.

    A problem without a reference or tests has the outcome None.

    Raises:
        ExecutionError: the engine failed.
    """

    def run(problem: Problem) -> tuple[Problem, Outcome | None]:
        if problem.reference is None or not (problem.tests or problem.hidden_tests):
            return problem, None
        return run_right_program(problem, problem.reference, executor)

    return (found for _, found in executor.each(problems, run))


class Admission:
    """Marks or refuses problems whose tests run inside.

    Args:
        policy: `execution.inside`.

    Attributes:
        inside: `task_id` of the problems so far whose tests run inside.
    """

    def __init__(self, policy: Inside) -> None:
        # A dictionary to None is a set that keeps its order.
        self.inside: dict[str, None] = {}
        self._policy = policy
        self._total = 0

    @property
    def refused(self) -> Collection[str]:
        """Return the `task_id` of the problems that are left out."""
        return self.inside if self._policy == "refuse" else ()

    def admit(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        """Yield the problems that take part, in their order."""
        for problem in problems:
            self._total += 1
            if tests_inside(problem):
                # Named in both policies, left out in one.
                self.inside[problem.task_id] = None
                if self._policy == "refuse":
                    continue
            yield problem

    def tell(self, path: Path) -> None:
        """Log how many problems of a file have tests that run inside, if there are any.

        Raises:
            InputError: all problems are left out.
        """
        if not self.inside:
            return
        # The message is one for both policies.
        done = "are left out" if self.refused else "take part"
        told = (
            f"{path}: tests run inside: {len(self.inside):,} of {self._total:,} problems, "
            f"such as {next(iter(self.inside))}, {done}; a program can deceive such tests (docs/execution.md)"
        )
        if len(self.refused) == self._total:
            raise InputError(f"{told}: no problem is left; set execution.inside: mark")
        logger.warning("%s", told)
