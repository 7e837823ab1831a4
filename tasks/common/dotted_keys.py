"""Dotted keys: nested values as one level, such as `training.objectives.sft.alpha`."""

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every leaf; an empty mapping is one.

    >>> dict(flatten({"training": {"beta": 0.1, "objectives": {"sft": {"alpha": 1.0}}}, "environments": {}}))
    {'training.beta': 0.1, 'training.objectives.sft.alpha': 1.0, 'environments': {}}
    """
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from flatten(item, f"{prefix}.{name}" if prefix else name)
    else:
        yield prefix, value
