"""Judge agreement: how far two judges of the same problems agree."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Two judges' scores, 1 to 5, of the same problems.

    Attributes:
        exact: share of problems with the same score from both.
        near: share with scores at most one apart.
        kappa: Cohen's kappa with quadratic weights (Cohen 1968): 1 is perfect, 0 what chance would give; None where it
            is not defined, because each judge gave the same one score to all.
    """

    exact: float
    near: float
    kappa: float | None


def agreement(ours: Sequence[int], theirs: Sequence[int]) -> Agreement:
    """Compare two judges, problem by problem.

    >>> agreement([5, 4, 3, 1], [5, 4, 4, 1]).exact
    0.75
    """
    from sklearn.exceptions import UndefinedMetricWarning  # takes seconds to import
    from sklearn.metrics import cohen_kappa_score

    assert len(ours) == len(theirs) > 0
    distances = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        kappa = float(cohen_kappa_score(ours, theirs, labels=[1, 2, 3, 4, 5], weights="quadratic"))
    return Agreement(
        exact=sum(d == 0 for d in distances) / len(distances),
        near=sum(d <= 1 for d in distances) / len(distances),
        kappa=None if kappa != kappa else kappa,  # noqa: PLR0124 - only NaN is not itself
    )
