"""Define what is expected of a value that a program returns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from iterpref_core.execution.codec.canonical import Likeness

_LIKENESSES: tuple[str, ...] = get_args(Likeness)


@dataclass(frozen=True)
class Expected:
    """The expectation of a value.

    Attributes:
        holds: whether a value is right; raises if the value cannot be compared.
        source: the right value, or the whole condition, for people; None if it is unknown.
        text: canonical text of a value that is certainly right; empty if it is unknown.
        likeness: the least likeness of a result that is compared as the plain value; see `canonical.Likeness`.
        builtins: names of Python's own functions in the test; a program that binds one of these names is not compared.
    """

    holds: Callable[[Any], Any]
    source: str | None = None
    text: str = ""
    likeness: Likeness = "equal"
    builtins: frozenset[str] = frozenset()

    def takes(self, likeness: str) -> bool:
        """Return whether a result of this likeness is compared as the plain value."""
        return _LIKENESSES.index(likeness) <= _LIKENESSES.index(self.likeness)
