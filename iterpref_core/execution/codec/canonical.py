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
import itertools
import json
import sys
from _blake2 import blake2b  # not `hashlib`, whose OpenSSL makes every fork dearer
from collections.abc import Callable, Iterable
from typing import Any

from .plain import ATOMS, FROM_ATOM, NESTED, NUMBERS, SCALARS, are_scalars, integer, to_json, with_pythons_digits

_load = json.JSONDecoder().raw_decode

MAX_TEXT = 4 << 20
"""Length of a value's text beyond which only its digest is passed on."""
_PIECE = 4096

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


class UnencodableError(Exception):
    """A value (or a part of it) is not of an exact plain type; the message names the type."""


def type_name(kind: type) -> str:
    """Return a class's name as the interpreter knows it, whatever its metaclass says."""
    return str(type.__dict__["__name__"].__get__(kind))


def _items(value: Any, lenient: bool, tag_ints: bool) -> list[Any]:
    if are_scalars(value, tag_ints=tag_ints):
        return list(value)
    return [_tree(item, lenient, tag_ints) for item in value]


def _held(value: Any, kind: type) -> Any:
    """Return the plain value that an object holds; of a scalar of numpy the number.

    Raises:
        UnencodableError: it holds none.
    """
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


def held_by(value: Any) -> Any:
    """Return the plain value that an object of a subclass holds.

    Raises:
        UnencodableError: it holds none.
    """
    return _held(value, type(value))


def _tree(value: Any, lenient: bool, tag_ints: bool) -> Any:  # noqa: C901 - one a type
    kind = type(value)
    if id(kind) in SCALARS:
        return value
    if kind is int:
        return integer(value, tag_ints=tag_ints)
    if kind is list:
        return _items(value, lenient, tag_ints)
    if kind is tuple:
        return {"t": _items(value, lenient, tag_ints)}
    if kind is dict:
        pairs = []
        for key, item in dict.items(value):
            pairs.append([_tree(key, lenient, tag_ints), _tree(item, lenient, tag_ints)])
        return {"d": sorted(pairs, key=lambda pair: to_json(pair[0]))}
    if kind is set or kind is frozenset:
        items = _items(value, lenient, tag_ints)
        return {"s" if kind is set else "f": sorted(items, key=to_json)}
    if id(kind) in ATOMS and value is not NotImplemented:
        return ATOMS[id(kind)](value)
    if lenient:
        if kind in NUMBERS:
            return {"z": [kind.__name__, *_items(NUMBERS[kind](value), lenient, tag_ints)]}
        return _tree(_held(value, kind), lenient, tag_ints)
    raise UnencodableError(type_name(kind))


def encode(value: Any, *, lenient: bool = False) -> str:
    """Return the canonical text of a value, on one line.

    Args:
        value: anything.
        lenient: take an object that may equal a plain value for the value that it holds: members of enumerations, named
            tuples, `Counter`, views of dictionaries, numpy's scalars; `Fraction` and `Decimal` cross as their parts.

    Raises:
        UnencodableError: the value, or a part of it, has no exact plain type, or is nested too deeply.
    """

    def text(value: Any) -> str:
        try:
            return to_json(_tree(value, lenient, False))
        except ValueError:  # an integer has more digits than can be written
            return to_json(_tree(value, lenient, True))

    try:
        return str(with_pythons_digits(text, value))
    except RecursionError:
        raise UnencodableError("value nested too deeply") from None


class Digest(str):
    """Stands for a value that is too large to be passed on: `#`, the length of its text, `:`, a hash of it."""

    __slots__ = ()


def summarize(value: Any, *, lenient: bool = False) -> str:
    """Return the canonical text of a value, or its `Digest` if it is longer than `MAX_TEXT`.

    A long list or tuple is hashed in pieces, so that its text is never held as a whole.

    Raises:
        UnencodableError: as `encode`.
    """
    kind = type(value)
    if id(kind) not in (id(list), id(tuple)) or len(value) <= _PIECE:
        text = encode(value, lenient=lenient)
        if len(text) > MAX_TEXT:
            return _digest([text])
        return text
    starts = range(0, len(value), _PIECE)
    pieces = (encode(value[at : at + _PIECE], lenient=lenient) for at in starts)
    first = [type_name(kind)]
    size = 0
    for piece in pieces:
        first.append(piece)
        size += len(piece)
        if size > MAX_TEXT:
            return _digest(itertools.chain(first, pieces))
    return encode(value, lenient=lenient)


def _digest(pieces: Iterable[str]) -> Digest:
    size = 0
    signature = blake2b(digest_size=32)
    for piece in pieces:
        size += len(piece)
        signature.update(piece.encode())
    return Digest(f"#{size}:{signature.hexdigest()}")


def _dictionary(pairs: list[Any]) -> dict[Any, Any]:
    # [[1, "a"], [2, "b"]]: all keys first, so that they are looked at before one of them is put into a table
    keys = _value([key for key, _ in pairs])
    values = _value([value for _, value in pairs])
    return dict(zip(_hashable(keys), values, strict=True))


def _number(body: list[Any]) -> Any:
    name, *parts = map(_value, body)
    # Of a text, `Fraction` would compute the power in "1e999999999".
    if name == "Fraction" and set(map(type, parts)) == {int}:
        return fractions.Fraction(*parts)
    if name == "Decimal" and set(map(type, parts)) == {str}:
        return decimal.Decimal(*parts)
    raise ValueError("no number")


_FROM_TAG: dict[str, Callable[[Any], Any]] = FROM_ATOM | {
    "t": lambda body: tuple(_value(body)),
    "d": _dictionary,
    "s": lambda body: set(_hashable(_value(body))),
    "f": lambda body: frozenset(_hashable(_value(body))),
    "z": _number,
}


_MAX_COLLISIONS = 1000


def _hashable(items: list[Any]) -> list[Any]:
    """Return the items of a set, or the keys of a dictionary.

    Raises:
        ValueError: so many have one hash that making the set would take minutes.
    """
    if len(items) > _MAX_COLLISIONS and len(items) - len(set(map(hash, items))) > _MAX_COLLISIONS:
        raise ValueError("too many items with one hash")
    return items


def _value(tree: Any) -> Any:
    if type(tree) is list:
        if NESTED.isdisjoint(map(type, tree)):
            return tree
        return [_value(item) for item in tree]
    if type(tree) is not dict:
        return tree
    ((tag, body),) = tree.items()
    return _FROM_TAG[tag](body)


def decode(text: str) -> Any:
    """Return the value of a canonical text; a digest stays one.

    A text that `encode` does not write raises one of `verdicts.MALFORMED`.
    """
    if text.startswith("#"):
        return Digest(text)
    tree, end = _load(text)
    if end != len(text):
        raise ValueError("there is more behind the value")
    return _value(tree)
