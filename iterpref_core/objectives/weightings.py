"""Token weights: how much each token of a program counts in a log-ratio, or in the NLL.

The paper's are `all` and `focal`. The others are tries at more (docs/study.md), each a function of the tokens that are
in the program's error region and of what the reference gave each of them.
"""

from collections.abc import Callable, Sequence
from math import exp

Weights = list[float]
Weighting = Callable[[Sequence[int], Sequence[float]], Weights]
"""(marks, 1 in the error region or the fix, else 0; log-probabilities under the reference) → as many weights."""

COUNTERPART = 4.0
"""How much more a token of the fix counts than the rest of the chosen program."""


def _all(marks: Sequence[int], _: Sequence[float]) -> Weights:
    return [1.0] * len(marks)


def _focal(marks: Sequence[int], _: Sequence[float]) -> Weights:
    return [float(mark) for mark in marks]


def _mean(marks: Sequence[int], _: Sequence[float]) -> Weights:
    """All tokens, so that their sum is a mean: of long programs as large as of short ones."""
    return [1 / len(marks)] * len(marks)


def _focal_mean(marks: Sequence[int], _: Sequence[float]) -> Weights:
    """Marked tokens, so that their sum is a mean."""
    return [mark / max(sum(marks), 1) for mark in marks]


def _first(marks: Sequence[int], _: Sequence[float]) -> Weights:
    """The first marked token alone: up to there both programs may read the same, and what follows follows from it."""
    place = next((place for place, mark in enumerate(marks) if mark), len(marks))
    return [float(number == place) for number in range(len(marks))]


def _sure(marks: Sequence[int], ref_logps: Sequence[float]) -> Weights:
    """Marked tokens, each by its probability under the reference: what it hardly believes needs no pushing down."""
    return [mark * exp(logp) for mark, logp in zip(marks, ref_logps, strict=True)]


def _balanced(marks: Sequence[int], ref_logps: Sequence[float]) -> Weights:
    """Marked tokens, which together weigh as much as all tokens of the program would."""
    return [len(marks) * weight for weight in _focal_mean(marks, ref_logps)]


def _counterpart(marks: Sequence[int], _: Sequence[float]) -> Weights:
    """All tokens, the marked ones more."""
    return [1.0 + COUNTERPART * mark for mark in marks]


def _unsure(marks: Sequence[int], ref_logps: Sequence[float]) -> Weights:
    """All tokens, each by how unlikely the reference found it: what it knows need not be taught."""
    return [1.0 - exp(logp) for _, logp in zip(marks, ref_logps, strict=True)]


WEIGHTINGS: dict[str, Weighting] = {
    "all": _all,
    "focal": _focal,
    "mean": _mean,
    "focal mean": _focal_mean,
    "first": _first,
    "sure": _sure,
    "balanced": _balanced,
    "counterpart": _counterpart,
    "unsure": _unsure,
}
OF_REGION = frozenset(WEIGHTINGS) - {"all", "mean", "unsure"}
"""Those that need to know the error region."""
OF_REFERENCE = frozenset({"sure", "unsure"})
"""Those that need a reference."""
