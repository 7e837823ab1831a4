"""Selection: the choice of a source's rows and of a problem's tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from iterpref_core.problems.problems import hold_out
from iterpref_core.records import Problem, Record, Test

MAX_PROBLEM_BYTES = 16 << 20
"""The largest size of a problem in the file. Tests of contests can have hundreds of megabytes, and a run has dozens of
problems in memory at a time."""
_SEED = 0
"""The seed of the choice of tests, the same in every run. The choice does not depend on other problems."""


@dataclass(frozen=True)
class Selection:
    """A user's choice of rows and tests.

    Attributes:
        limit: rows to read, the first ones; None for all.
        max_tests: tests of a problem to keep, visible and hidden together; None for all. If those drawn are too large,
            others are drawn that fit into `MAX_PROBLEM_BYTES`.
        visible: number of visible tests of a problem, the first ones; None: the set decides.
        heldout: share, 0 to 1, of the problems without a split that is held out.
    """

    limit: int | None = None
    max_tests: int | None = None
    visible: int | None = None
    heldout: float = 0.0

    def apply(self, problem: Problem) -> Problem:
        """Return the problem with the chosen tests and split."""
        tests = problem.tests
        hidden = problem.hidden_tests
        if self.max_tests is not None and len(tests) + len(hidden) > self.max_tests:
            tests, hidden = _draw(problem, self.max_tests)
        return self._split(problem, tests, hidden)

    def apply_by_size(self, problem: Problem) -> tuple[Problem, int]:
        """Return the problem with tests that fit, and the number of tests that were passed over as too large.

        No test is taken if none fits, or if `max_tests` is None.
        """
        places, too_large = _fitting(problem, self.max_tests or 0)
        return self._split(problem, *_at(problem, places)), too_large

    def _split(self, problem: Problem, tests: tuple[Test, ...], hidden: tuple[Test, ...]) -> Problem:
        if self.visible is not None:
            every = tests + hidden
            tests = every[: self.visible]
            hidden = every[self.visible :]
        chosen = problem.model_copy(update={"tests": tests, "hidden_tests": hidden})
        return hold_out(chosen, self.heldout)


def size_of(record: Record) -> int:
    """Return the bytes of a record in a file.

    Raises:
        ValueError: no file can hold the record, or it is nested too deeply.
    """
    try:
        return len(record.to_json().encode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _draw(problem: Problem, count: int) -> tuple[tuple[Test, ...], tuple[Test, ...]]:
    """Draw some tests, in their order; at least one of them is visible if the problem has a visible test."""
    random = Random(f"{_SEED}/{problem.task_id}")
    first_hidden = len(problem.tests)
    total = first_hidden + len(problem.hidden_tests)
    drawn = sorted(random.sample(range(total), count))
    if first_hidden > 0 and drawn[0] >= first_hidden:
        # Only hidden tests were drawn, but a model needs feedback from a visible one.
        drawn[0] = random.randrange(first_hidden)
    return _at(problem, drawn)


def _fitting(problem: Problem, count: int) -> tuple[list[int], int]:
    """Draw places of tests that fit together, a visible one first; return them with the number of those passed over."""
    every = problem.tests + problem.hidden_tests
    sizes = [size_of(test) for test in every]
    order = Random(f"{_SEED}/{problem.task_id}/by size").sample(range(len(every)), len(every))
    first_hidden = len(problem.tests)
    left = MAX_PROBLEM_BYTES - (size_of(problem) - sum(sizes))
    visible = next((place for place in order if place < first_hidden and sizes[place] <= left), None)
    if visible is not None:
        order.remove(visible)
        order.insert(0, visible)
    drawn: list[int] = []
    too_large = 0
    for place in order:
        if len(drawn) == count:
            break
        if sizes[place] > left:
            too_large += 1
            continue
        left -= sizes[place]
        drawn.append(place)
    return sorted(drawn), too_large


def _at(problem: Problem, places: Sequence[int]) -> tuple[tuple[Test, ...], tuple[Test, ...]]:
    """Return the visible and the hidden tests at some places; hidden ones are counted on from the visible ones."""
    visible = []
    hidden = []
    first_hidden = len(problem.tests)
    for place in places:
        if place < first_hidden:
            visible.append(problem.tests[place])
        else:
            hidden.append(problem.hidden_tests[place - first_hidden])
    return tuple(visible), tuple(hidden)
