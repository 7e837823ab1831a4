"""Feature diversity: how many different features a set of problems has (the paper's table 17).

A larger set has more features without being more diverse, so the number to compare is the one that 1,000 problems have.
"""

import math
from collections import Counter
from collections.abc import Iterable

from iterpref_core.problems.features import BRANCHES
from iterpref_core.problems.synthesis.feature_tree import SEPARATOR
from iterpref_core.records import COMPOSED, Problem

DRAWN = 1000
"""Problems that sets of different size are compared by."""

OTHER = "other"
"""The category of features that name none."""


def features_of(problem: Problem) -> set[tuple[str, str]]:
    """A problem's features as (category, name): of a path its first name, of an offline problem the branch of the tree.

    >>> features_of(Problem(task_id="t", prompt="p", entry_point="f", tests=(),
    ...     features=("algorithm > sorting > stable",)))
    {('algorithm', 'sorting > stable')}
    """
    if problem.source == COMPOSED:
        kind, *leaves = zip(BRANCHES, problem.features, strict=True)
        # A leaf belongs to a kind of input: the sum of a list is not the sum of a table's values.
        below = {(branch, f"{kind[1]}{SEPARATOR}{leaf}") for branch, names in leaves for leaf in names.split("+")}
        return {kind, *below}
    parts = (feature.partition(SEPARATOR) for feature in problem.features)
    return {(category, name) if name else (OTHER, category) for category, _, name in parts}


class Diversity:
    """Features of the problems added so far."""

    def __init__(self) -> None:
        self._problems = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, problem: Problem) -> None:
        """Count a problem's features, each once."""
        self._problems += 1
        self._counts.update(features_of(problem))

    def metrics(self) -> dict[str, float]:
        """What is to be compared.

        Returns:
            `features`: how many different ones; `features/per_problem`: on average; `features/per_1000`: expected in
            1,000 of the problems (where there are so many); `features/effective`: exp of the entropy of how often each
            occurs, which is the number of equally frequent features that would be as diverse; and
            `features/in/<category>`: how many different ones each category has.
        """
        counts = list(self._counts.values())
        result = {
            "features": float(len(counts)),
            "features/per_problem": sum(counts) / self._problems if self._problems else 0.0,
            "features/effective": effective_number(counts),
        }
        if self._problems >= DRAWN:
            result["features/per_1000"] = expected_distinct(counts, self._problems, DRAWN)
        categories = Counter(category for category, _ in self._counts)
        return result | {f"features/in/{name}": float(categories[name]) for name in sorted(categories)}


def measure_diversity(problems: Iterable[Problem]) -> dict[str, float]:
    """`problems`, `problems/without_features`, and `Diversity.metrics` of them."""
    diversity, counts = Diversity(), Counter[str]({"problems": 0, "problems/without_features": 0})
    for problem in problems:
        diversity.add(problem)
        counts.update({"problems": 1, "problems/without_features": int(not problem.features)})
    return {name: float(count) for name, count in counts.items()} | diversity.metrics()


def effective_number(counts: Iterable[int]) -> float:
    """Exp of the entropy of the shares: Hill's diversity number of order 1.

    >>> round(effective_number([5, 5, 5, 5]), 6), round(effective_number([97, 1, 1, 1]), 2)
    (4.0, 1.18)
    """
    counts = list(counts)
    total = sum(counts)
    return math.exp(-sum(count / total * math.log(count / total) for count in counts)) if total else 0.0


def expected_distinct(counts: Iterable[int], problems: int, drawn: int) -> float:
    """Different features that so many problems have on average when they are drawn without replacement (rarefaction).

    Args:
        counts: in how many of the problems each feature occurs.
        problems: how many there are.
        drawn: how many are drawn, at most all.

    >>> round(expected_distinct([2, 1], problems=2, drawn=1), 6)
    1.5
    """
    every = _log_choose(problems, drawn)
    without = [problems - count for count in counts]
    # A feature is missed when all of the drawn problems are among those without it.
    return sum(1 - (math.exp(_log_choose(n, drawn) - every) if n >= drawn else 0) for n in without)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
