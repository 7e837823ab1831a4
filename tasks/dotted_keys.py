"""Dotted keys: nested values as one level, such as `training.objectives.sft.alpha`."""

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
