"""Distributions as metrics: `<name>/mean`, and a count for every place on the scale."""

from collections import Counter
from collections.abc import Sequence


def of_scores(name: str, values: Sequence[int]) -> dict[str, float]:
    """Of scores from 1 to 5: the mean, where there are any, and how many have each score.

    >>> of_scores("ease", [5, 4, 5, 2])
    {'ease/mean': 4.0, 'ease/1': 0.0, 'ease/2': 1.0, 'ease/3': 0.0, 'ease/4': 1.0, 'ease/5': 2.0}
    """
    return _of_places(name, values, values, range(1, 6))


def of_shares(name: str, values: Sequence[float]) -> dict[str, float]:
    """Of shares from 0 to 1: the mean, where there are any, and how many lie in each tenth, 0 to 9; 1 is in the last.

    >>> found = of_shares("coverage", [0.0, 0.75, 0.9, 1.0])
    >>> found["coverage/mean"], found["coverage/0"], found["coverage/7"], found["coverage/9"]
    (0.6625, 1.0, 1.0, 2.0)
    """
    return _of_places(name, values, [min(int(10 * value), 9) for value in values], range(10))


def _of_places(name: str, values: Sequence[float], places: Sequence[int], scale: range) -> dict[str, float]:
    counts = Counter(places)
    mean = {f"{name}/mean": sum(values) / len(values)} if values else {}
    return mean | {f"{name}/{place}": float(counts[place]) for place in scale}
