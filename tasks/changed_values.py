"""Compare values of parameters, and describe them in a name."""

from collections.abc import Mapping
from typing import Any


def describe_values(values: Mapping[str, Any]) -> str:
    """Return parameters and their values for a name; the section of most of them, `training`, goes without saying.

    >>> describe_values({"training.beta": 0.3, "training.seed": 1, "codeflow.seed": 2})
    'beta=0.3 seed=1 codeflow.seed=2'
    """
    return " ".join(f"{key.removeprefix('training.')}={value}" for key, value in values.items())


def changed_values(present: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are new or other than before.

    >>> changed_values({"training.beta": 0.3, "training.seed": 1}, {"training.beta": 0.1, "training.seed": 1})
    {'training.beta': 0.3}
    """
    return {key: value for key, value in present.items() if key not in before or before[key] != value}
