"""Dotted keys: nested values as one level, such as `training.objectives.sft.alpha`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Return the last part of each dotted key, or the last two where the last part alone would be ambiguous.

    >>> short_names(["training.seed", "codeflow.seed", "training.beta"])
    {'training.seed': 'training.seed', 'codeflow.seed': 'codeflow.seed', 'training.beta': 'beta'}
    """
    last = {key: key.rpartition(".")[2] for key in keys}
    counts = Counter(last.values())
    names = {}
    for key, name in last.items():
        names[key] = name if counts[name] == 1 else ".".join(key.split(".")[-2:])
    return names


def describe_values(values: Mapping[str, Any]) -> list[str]:
    """Return a word for each parameter.

    >>> describe_values({"training.beta": 0.3})
    ['beta=0.3']
    """
    names = short_names(values)
    return [f"{names[key]}={value}" for key, value in values.items()]
