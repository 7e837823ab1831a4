"""Selection: the choice of a problem's tests, and of the problems that are held out."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from iterpref_core.problems.ingestion.problems.published import LeftOutError
from iterpref_core.problems.ingestion.rows import NOT_WRITABLE
from iterpref_core.problems.problems.problems import hold_out
from iterpref_core.records import Problem, Record
from iterpref_core.storage.left_out import BAD_RECORD

MAX_PROBLEM_BYTES = 16 << 20
"""The largest size of a problem in the file. Tests of contests can have hundreds of megabytes, and a run has dozens of
problems in memory at a time."""
_SEED = 0
"""The seed of the choice of tests, the same in every run. The choice does not depend on other problems."""


@dataclass(frozen=True)
class Selection:
    """A user's choice of tests, and of problems to hold out.

    Attributes:
        max_tests: tests of a problem to keep, visible and hidden together; None for all. If those drawn are too large,
            the smallest ones are taken as far as they fit into `MAX_PROBLEM_BYTES`.
        visible: number of visible tests of a problem, the first ones; None: the set decides.
        heldout: share, 0 to 1, of the problems without a split that is held out.
    """

    max_tests: int | None = None
    visible: int | None = None
    heldout: float = 0.0

    def apply(self, problem: Problem) -> tuple[Problem, int]:
        """Return the problem with the chosen tests and split, and the number of chosen tests that do not fit.

        Raises:
            LeftOutError: no choice of tests fits, or the user makes none; or no file can hold the problem.
        """
        number = len(problem.tests) + len(problem.hidden_tests)
        drawn = list(range(number))
        if self.max_tests is not None and number > self.max_tests:
            drawn = _draw(problem, self.max_tests)
        chosen = self._with(problem, drawn)
        size = _size_of(chosen)
        if size <= MAX_PROBLEM_BYTES:
            return chosen, 0
        sizes = [_size_of(test) for test in problem.tests + problem.hidden_tests]
        fitting = _fitting(problem, sizes, self.max_tests or 0)
        if fitting:
            return self._with(problem, fitting), len(drawn) - len(fitting)
        raise LeftOutError(
            "too_large",
            f"it has {size >> 20} MiB, and {MAX_PROBLEM_BYTES >> 20} are allowed; --max-tests N takes tests that fit, "
            f"and its smallest has {min(sizes) >> 20} MiB",
        )

    def _with(self, problem: Problem, places: Iterable[int]) -> Problem:
        """Return the problem with the tests at some places; hidden ones are counted on from the visible ones."""
        every = problem.tests + problem.hidden_tests
        first_hidden = len(problem.tests)
        kept = sorted(places)
        visible = sum(place < first_hidden for place in kept) if self.visible is None else self.visible
        tests = tuple(every[place] for place in kept)
        chosen = problem.model_copy(update={"tests": tests[:visible], "hidden_tests": tests[visible:]})
        return hold_out(chosen, self.heldout)


def _size_of(record: Record) -> int:
    """Return the bytes of a record in a file."""
    try:
        return len(record.to_json().encode())
    except (ValueError, RecursionError):
        raise LeftOutError(BAD_RECORD, NOT_WRITABLE) from None


def _draw(problem: Problem, count: int) -> list[int]:
    """Draw places of tests; at least one of these tests is visible if the problem has a visible one."""
    random = Random(f"{_SEED}/{problem.task_id}")
    first_hidden = len(problem.tests)
    drawn = sorted(random.sample(range(first_hidden + len(problem.hidden_tests)), count))
    if first_hidden > 0 and drawn[0] >= first_hidden:
        # Only hidden tests were drawn, but a model needs feedback from a visible one.
        drawn[0] = random.randrange(first_hidden)
    return drawn


def _fitting(problem: Problem, sizes: list[int], count: int) -> set[int]:
    """Return places of the smallest tests that fit together, a visible one first; none if no visible one fits."""
    order = sorted(range(len(sizes)), key=lambda place: (sizes[place], place))
    visible = [place for place in order if place < len(problem.tests)]
    left = MAX_PROBLEM_BYTES - (_size_of(problem) - sum(sizes))
    fitting: set[int] = set()
    for place in dict.fromkeys([*visible[:1], *order]):
        if len(fitting) < count and sizes[place] <= left:
            left -= sizes[place]
            fitting.add(place)
    return fitting if fitting & set(visible) else set()
