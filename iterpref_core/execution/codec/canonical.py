"""Canonical text of values with exact types, for the way out of the sandbox.

The text is the JSON of a tree (`plain`), on one line. Equal values of equal types have equal texts: sets are sorted,
dictionaries are sorted by key. Other types are never encoded as they are: they may lie about themselves. Where the
comparison is Python's `==`, some are encoded by the value that they hold (`lenient`).

>>> encode((1, 2.0, {"a"}))
'{"t":[1,2.0,{"s":["a"]}]}'
>>> decode(encode({1: frozenset([b"x"])}))
{1: frozenset({b'x'})}
"""

import decimal
import fractions
import sys
from _blake2 import blake2b  # not `hashlib`, whose OpenSSL makes every fork dearer
from collections.abc import Callable
from typing import Any

from .plain import Tree, Trees, UnencodableError, type_name

MAX_TEXT = 4 << 20
"""Length of a value's text beyond which only its digest is passed on."""

_mro_of = type.__dict__["__mro__"].__get__
_HELD: dict[int, Callable[[Any], Any]] = {
    id(int): int.__int__,
    id(float): float.__float__,
    id(complex): lambda value: complex(complex.real.__get__(value), complex.imag.__get__(value)),
    id(str): str.__str__,
    id(bytes): bytes.__bytes__,
    id(bytearray): lambda value: bytes(bytearray.__getitem__(value, slice(None))),
    id(tuple): lambda value: tuple(tuple.__iter__(value)),
    id(list): lambda value: list(list.__iter__(value)),
    id(dict): lambda value: dict(dict.items(value)),
    id(set): lambda value: set(set.__iter__(value)),
    id(frozenset): lambda value: frozenset(frozenset.__iter__(value)),
    id(memoryview): bytes,
    id(type({}.keys())): set,
    id(type({}.items())): set,
}
"""Readers of the plain value in an object of a subclass, or in another object that equals a plain value.

They ask the plain type, never the object, which may lie about itself. Where the comparison is Python's `==`, this value
is compared."""


def held_by(value: Any) -> Any:
    """Return the plain value that an object of a subclass holds; of a scalar of numpy the number.

    Raises:
        UnencodableError: it holds none.
    """
    kind = type(value)
    for base in _mro_of(kind):
        if id(base) in _HELD:
            return _HELD[id(base)](value)
    held = None
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        held = value.item()
    if type(held) not in (int, float, complex, bool, str, bytes):
        raise UnencodableError(type_name(kind))
    return held


class _Lenient(Trees):
    """The trees of objects by the plain values that they hold, too."""

    def other(self, value: Any) -> Tree:
        """Return the tree of a value that is no plain value."""
        if type(value) in (decimal.Decimal, fractions.Fraction):
            return self.parts(value)
        return self.tree(held_by(value))


_strict = Trees()
_lenient = _Lenient()


def encode(value: Any, *, lenient: bool = False) -> str:
    """Return the canonical text of a value, on one line.

    Args:
        value: anything.
        lenient: take an object that may equal a plain value for the value that it holds: members of enumerations, named
            tuples, `Counter`, views of dictionaries, numpy's scalars; `Fraction` and `Decimal` cross as their parts.

    Raises:
        UnencodableError: the value, or a part of it, has no exact plain type, or is nested too deeply.
    """
    try:
        return (_lenient if lenient else _strict).text(value)
    except RecursionError:
        raise UnencodableError("value nested too deeply") from None


class Digest(str):
    """Stands for a value that is too large to be passed on: `#`, the length of its text, `:`, a hash of it."""

    __slots__ = ()


def summarize(value: Any, *, lenient: bool = False) -> str:
    """Return the canonical text of a value, or its `Digest` if it is longer than `MAX_TEXT`.

    Raises:
        UnencodableError: as `encode`.
    """
    text = encode(value, lenient=lenient)
    if len(text) <= MAX_TEXT:
        return text
    return Digest(f"#{len(text)}:{blake2b(text.encode(), digest_size=32).hexdigest()}")


def decode(text: str) -> Any:
    """Return the value of a canonical text; a digest stays one.

    A text that `encode` does not write raises one of `verdicts.MALFORMED`.
    """
    if text.startswith("#"):
        return Digest(text)
    return _strict.read(text)
