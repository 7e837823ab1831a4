"""Flatten nested values to dotted keys such as `training.objectives.sft.alpha`."""

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


def describe_values(values: Mapping[str, Any]) -> str:
    """Return parameters and their values for a name; the section of most of them, `training`, goes without saying.

    >>> describe_values({"training.beta": 0.3, "training.seed": 1, "codeflow.seed": 2})
    'beta=0.3 seed=1 codeflow.seed=2'
    """
    return " ".join(f"{key.removeprefix('training.')}={value}" for key, value in values.items())
