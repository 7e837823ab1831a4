"""Values as canonical text with exact types, for the way out of the sandbox.

Plain values (None, bool, int, float, str, list) are themselves in JSON; the rest is a JSON object with one key that
names the type: `{"t": [1, 2]}` is the tuple (1, 2). Equal values of equal types have equal texts: sets are sorted,
dictionaries are sorted by key. Subclasses are never encoded: they may lie about themselves.

>>> encode((1, 2.0, {"a"}))
'{"t":[1,2.0,{"s":["a"]}]}'
>>> decode(encode({1: frozenset([b"x"])}))
{1: frozenset({b'x'})}
"""

import collections
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

_BIG = 2**63
# Types are told apart by identity: a metaclass may lie about equality and hash.
_PLAIN = frozenset(map(id, (type(None), bool, str, float)))
_PLAIN_INT = frozenset({id(int)})
_dump = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_load = json.loads

MAX_TEXT = 1 << 20
"""Characters of a value's text beyond which only its digest is passed on."""
_PIECE = 1024

DICT_LIKE = (collections.OrderedDict, collections.defaultdict, collections.Counter)
"""Standard-library subclasses that compare equal to a plain dict; encoded as one if the comparison is Python's `==`."""


class UnencodableError(Exception):
    """A value (or a part of it) is not of an exact plain type; the message names the type."""


class MalformedError(ValueError):
    """A text that `encode` cannot have written."""


def type_name(kind: type) -> str:
    """A class's name as the interpreter knows it, whatever its metaclass says."""
    return str(type.__dict__["__name__"].__get__(kind))


def _tree_of_items(value: Any, lenient: bool) -> list[Any]:
    kinds = set(map(id, map(type, value)))
    if kinds <= _PLAIN or (kinds == _PLAIN_INT and min(value) > -_BIG and max(value) < _BIG):
        return list(value)
    return [_tree(item, lenient) for item in value]


def _tree_of_container(value: Any, lenient: bool) -> Any:
    kind = type(value)
    if kind is list:
        return _tree_of_items(value, lenient)
    if kind is tuple:
        return {"t": _tree_of_items(value, lenient)}
    if kind is dict or (lenient and any(kind is like for like in DICT_LIKE)):
        pairs = [[_tree(k, lenient), _tree(v, lenient)] for k, v in dict.items(value)]
        return {"d": sorted(pairs, key=lambda pair: _dump(pair[0]))}
    if kind is set or kind is frozenset:
        return {"s" if kind is set else "f": sorted((_tree(item, lenient) for item in value), key=_dump)}
    raise UnencodableError(type_name(kind))


def _tree(value: Any, lenient: bool) -> Any:
    kind = type(value)
    if id(kind) in _PLAIN:
        return value
    if kind is int:
        return value if -_BIG < value < _BIG else {"i": hex(value)}
    if kind is bytes:
        return {"b": value.decode("latin-1")}
    if kind is complex:
        return {"c": [value.real, value.imag]}
    return _tree_of_container(value, lenient)


def encode(value: Any, *, lenient: bool = False) -> str:
    """The canonical text of a value, on one line.

    Args:
        value: anything.
        lenient: take `OrderedDict`, `defaultdict` and `Counter` for dict.

    Raises:
        UnencodableError: the value, or a part of it, has no exact plain type, or is nested too deeply.
    """
    try:
        return _dump(_tree(value, lenient))
    except RecursionError:
        raise UnencodableError("value nested too deeply") from None


class Digest(str):
    """Stands for a canonical text that is too long to be passed on: `#`, its length in characters, `:`, its hash."""

    __slots__ = ()

    @property
    def length(self) -> int:
        """Characters of the text."""
        return int(self[1:].partition(":")[0])


def _pieces(value: Any, lenient: bool) -> Iterator[str]:
    """The canonical text in pieces, so that a long list is never held as text as a whole."""
    kind = type(value)
    if not (kind is list or kind is tuple) or len(value) <= _PIECE:
        yield encode(value, lenient=lenient)
        return
    yield "[" if kind is list else '{"t":['
    for start in range(0, len(value), _PIECE):
        piece = encode(list(value[start : start + _PIECE]), lenient=lenient)[1:-1]
        yield f",{piece}" if start else piece
    yield "]" if kind is list else "]}"


def summarise(value: Any, *, lenient: bool = False) -> str:
    """The canonical text of a value, or its `Digest` if it has more than `MAX_TEXT` characters.

    Raises:
        UnencodableError: as `encode`.
    """
    length, kept, signature = 0, [], hashlib.sha256()
    for piece in _pieces(value, lenient):
        length += len(piece)
        signature.update(piece.encode("utf-8", "surrogatepass"))
        if length <= MAX_TEXT:
            kept.append(piece)
    return "".join(kept) if length <= MAX_TEXT else Digest(f"#{length}:{signature.hexdigest()}")


_FROM_TAG: dict[str, Callable[[Any], Any]] = {
    "t": lambda body: tuple(map(_value, body)),
    "d": lambda body: {_value(key): _value(value) for key, value in body},
    "s": lambda body: set(map(_value, body)),
    "f": lambda body: frozenset(map(_value, body)),
    "b": lambda body: body.encode("latin-1"),
    "c": lambda body: complex(*body),
    "i": lambda body: int(body, 16),
}


def _value(tree: Any) -> Any:
    if type(tree) is list:
        return [_value(item) for item in tree]
    if type(tree) is not dict:
        return tree
    ((tag, body),) = tree.items()
    return _FROM_TAG[tag](body)


def decode(text: str) -> Any:
    """The value whose canonical text this is; a digest stays one.

    Raises:
        MalformedError: the text is not one that `encode` writes.
    """
    if text.startswith("#"):
        return Digest(text)
    try:
        return _value(_load(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedError(f"{type(error).__name__}: {error}") from None
