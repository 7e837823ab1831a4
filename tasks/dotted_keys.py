"""Flatten nested values to dotted keys such as `training.objectives.sft.alpha`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of every leaf; an empty mapping is a leaf.

    >>> dict(flatten({"training": {"beta": 0.1, "objectives": {"sft": {"alpha": 1.0}}}, "environments": {}}))
    {'training.beta': 0.1, 'training.objectives.sft.alpha': 1.0, 'environments': {}}
    """
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def describe_values(values: Mapping[str, Any]) -> list[str]:
    """Return a word for each parameter: by the last part of its key, or by two where the last is ambiguous.

    >>> describe_values({"training.beta": 0.3, "training.seed": 1, "codeflow.seed": 2})
    ['beta=0.3', 'training.seed=1', 'codeflow.seed=2']
    """
    last = {key: key.rpartition(".")[2] for key in values}
    counts = Counter(last.values())
    words = []
    for key, value in values.items():
        name = last[key]
        if counts[name] > 1:
            name = ".".join(key.split(".")[-2:])
        words.append(f"{name}={value}")
    return words
