"""Selection: the choice of a source's rows and of a problem's tests."""

from dataclasses import dataclass
from random import Random

from iterpref_core.problems.problems import hold_out
from iterpref_core.records import Problem, Test

_SEED = 0
"""The seed of the choice of tests, the same in every run. The choice does not depend on other problems."""


@dataclass(frozen=True)
class Selection:
    """A user's choice of rows and tests.

    Attributes:
        limit: rows to read, the first ones; None for all.
        max_tests: tests of a problem to keep, visible and hidden together; None for all.
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
        if self.visible is not None:
            every = tests + hidden
            tests = every[: self.visible]
            hidden = every[self.visible :]
        chosen = problem.model_copy(update={"tests": tests, "hidden_tests": hidden})
        return hold_out(chosen, self.heldout)


def _draw(problem: Problem, count: int) -> tuple[tuple[Test, ...], tuple[Test, ...]]:
    """Draw some tests, in their order; at least one of them is visible if the problem has a visible test."""
    random = Random(f"{_SEED}/{problem.task_id}")
    first_hidden = len(problem.tests)
    total = first_hidden + len(problem.hidden_tests)
    drawn = sorted(random.sample(range(total), count))
    if first_hidden > 0 and drawn[0] >= first_hidden:
        # Only hidden tests were drawn, but a model needs feedback from a visible one.
        drawn[0] = random.randrange(first_hidden)
    visible = []
    hidden = []
    for place in drawn:
        if place < first_hidden:
            visible.append(problem.tests[place])
        else:
            hidden.append(problem.hidden_tests[place - first_hidden])
    return tuple(visible), tuple(hidden)
