"""Selection: the choice of a problem's tests, and of the problems that are held out."""

from dataclasses import dataclass
from random import Random

from iterpref_core.problems.ingestion.problems.published import LeftOutError
from iterpref_core.problems.problems.problems import hold_out
from iterpref_core.records import Problem

MAX_PROBLEM_BYTES = 16 << 20
"""The largest size of a problem in the file. Tests of contests can have hundreds of megabytes, and a run has dozens of
problems in memory at a time."""
_SEED = 0
"""The seed of the choice of tests, the same in every run. The choice does not depend on other problems."""


@dataclass(frozen=True)
class Selection:
    """A user's choice of tests, and of problems to hold out.

    Attributes:
        max_tests: tests of a problem to keep, visible and hidden together; None for all.
        visible: number of visible tests of a problem, the first ones; None: the set decides.
        heldout: share, 0 to 1, of the problems without a split that is held out.
    """

    max_tests: int | None = None
    visible: int | None = None
    heldout: float = 0.0

    def apply(self, problem: Problem) -> Problem:
        """Return the problem with the chosen tests and split.

        Raises:
            LeftOutError: the problem is too large.
            ValueError: no file can hold the problem.
        """
        every = problem.tests + problem.hidden_tests
        first_hidden = len(problem.tests)
        kept = list(range(len(every)))
        if self.max_tests is not None and len(every) > self.max_tests:
            kept = _draw(problem, self.max_tests)
        visible = sum(place < first_hidden for place in kept) if self.visible is None else self.visible
        tests = tuple(every[place] for place in kept)
        chosen = problem.model_copy(update={"tests": tests[:visible], "hidden_tests": tests[visible:]})
        size = len(chosen.to_json().encode())
        if size > MAX_PROBLEM_BYTES:
            raise LeftOutError(
                "too_large", f"it has {size >> 20} MiB with these tests; {MAX_PROBLEM_BYTES >> 20} are allowed"
            )
        return hold_out(chosen, self.heldout)


def _draw(problem: Problem, count: int) -> list[int]:
    """Draw places of tests; at least one of these tests is visible if the problem has a visible one."""
    random = Random(f"{_SEED}/{problem.task_id}")
    first_hidden = len(problem.tests)
    drawn = sorted(random.sample(range(first_hidden + len(problem.hidden_tests)), count))
    if first_hidden > 0 and drawn[0] >= first_hidden:
        # Only hidden tests were drawn, but a model needs feedback from a visible one.
        drawn[0] = random.randrange(first_hidden)
    return sorted(drawn)
