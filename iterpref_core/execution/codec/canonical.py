"""Write plain values as canonical text, with their exact types, and read them.

The text is the JSON of a tree, on one line. None, truth values, texts, lists and most numbers are themselves; the rest
is an object with one key that names its type:

    t  tuple    s  set    f  frozenset    d  dictionary, as pairs    b  bytes    c  complex number
    i  an integer with more digits than JSON can hold

Equal values of equal types have equal texts: sets are sorted, dictionaries are sorted by key. Values of other types are
never encoded as they are: they may lie about themselves. Some are encoded by the plain value that they hold or equal:
named tuples, `Counter`, `OrderedDict`, `defaultdict`, `IntEnum`, `StrEnum`, numpy's numbers, `Decimal`, `Fraction`,
`bytearray`, views of dictionaries. Types are compared by identity, since a metaclass may lie about equality and hash.

>>> encode((1, 2.0, {"a"}))
'{"t":[1,2.0,{"s":["a"]}]}'
>>> decode(encode({1: frozenset([b"x"])}))
{1: frozenset({b'x'})}
"""

import collections
import decimal
import enum
import fractions
import json
import sys
from _blake2 import blake2b  # not `hashlib`, whose OpenSSL makes every fork dearer
from collections.abc import Callable, Collection
from typing import Any

Tree = Any
MAX_TEXT = 4 << 20
"""Length of a value's text beyond which only its digest is passed on."""
_BIG = 10**sys.int_info.str_digits_check_threshold
"""Python writes smaller integers as decimals under any limit that a program or a test has set."""
_MOST_NESTED = 200
"""Levels of a value that has a text: each takes several calls where the text is read."""
_MOST_OF_A_HASH = 64
"""Items of a set that may have one hash. A few have it honestly: hash(-1) is hash(-2), and so (-1, 7) is (-2, 7)."""
_SCALARS = frozenset(map(id, (type(None), bool, str, float)))
"""Types whose values are their own trees."""
_NUMBERS = (int, float, complex, bool)
_to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_parse = json.JSONDecoder(parse_constant=float).decode  # each nan is another one, as in Python
_mro_of = type.__dict__["__mro__"].__get__

_HELD: dict[int, Callable[[Any], Any]] = {
    id(int): int.__int__,
    id(float): float.__float__,
    id(str): str.__str__,
    id(bytes): bytes.__bytes__,
    id(tuple): lambda value: tuple(tuple.__iter__(value)),
    id(list): lambda value: list(list.__iter__(value)),
    id(dict): lambda value: dict(dict.items(value)),
    id(set): lambda value: set(set.__iter__(value)),
    id(frozenset): lambda value: frozenset(frozenset.__iter__(value)),
}
"""Readers of the plain value in an object of a subclass. They ask the plain type, never the object."""
_LIKE_PLAIN = frozenset(
    map(
        id,
        (
            *(collections.Counter, collections.OrderedDict, collections.defaultdict),
            *(vars(enum).get(name) for name in ("Enum", "Flag", "IntEnum", "IntFlag", "StrEnum", "ReprEnum")),
        ),
    )
)
"""Python's classes that equal the plain value in their objects as that value does."""
_SPECIAL_NAMES = """
    __and__ __annotations__ __dict__ __doc__ __firstlineno__ __format__ __getnewargs__ __init__ __invert__
    __match_args__ __module__ __new__ __or__ __orig_bases__ __rand__ __reduce_ex__ __replace__ __repr__ __ror__
    __rxor__ __slots__ __static_attributes__ __str__ __weakref__ __xor__
"""
_HARMLESS = frozenset(_SPECIAL_NAMES.split())
"""Special names that a subclass may define without another meaning of `==`, `len`, `in` and their like."""


class UnencodableError(Exception):
    """A value (or a part of it) is not of an exact plain type; the message names the type."""


def type_name(kind: type) -> str:
    """Return a class's name as the interpreter knows it; its metaclass may lie about it."""
    return str(type.__dict__["__name__"].__get__(kind))


def _exactly(value: fractions.Fraction) -> Any:
    """Return the integer or float that a fraction equals.

    Raises:
        UnencodableError: it equals none.
    """
    if value.denominator == 1:
        return value.numerator
    # `Fraction(1, 3)` equals no float.
    if fractions.Fraction(float(value)) != value:
        raise UnencodableError(type_name(type(value)))
    return float(value)


_EQUAL: dict[int, Callable[[Any], Any]] = {
    id(bytearray): bytes,
    id(decimal.Decimal): lambda value: _exactly(fractions.Fraction(value)),
    id(fractions.Fraction): _exactly,
    id(type({}.keys())): set,
    id(type({}.items())): set,
}
"""Readers of the plain value that an object of another type equals."""


def _behaves_as_its_base(kind: type) -> bool:
    """Return whether a class defines no special method of its own."""
    own = type.__dict__["__dict__"].__get__(kind)
    return id(kind) in _LIKE_PLAIN or all(name in _HARMLESS or name[:2] != "__" for name in own)


def _held_by(value: Any) -> Any:
    """Return the plain value that an object holds or equals.

    Raises:
        UnencodableError: there is none.
    """
    kind = type(value)
    plain = [id(base) for base in _mro_of(kind) if id(base) in _HELD]
    # `class L(list, Never)`: `Never` comes after the plain class, and its methods count as well.
    # `class L(list)` without a special method of its own is a list.
    if plain and all(_behaves_as_its_base(base) for base in _mro_of(kind) if id(base) not in (*plain, id(object))):
        return _HELD[plain[0]](value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and any(kind is each for each in numpy.sctypeDict.values()):
        number = numpy.generic.item(value)
        if type(number) in _NUMBERS:
            return number
    if id(kind) in _EQUAL:
        return _EQUAL[id(kind)](value)
    raise UnencodableError(type_name(kind))


def _tree(value: Any, level: int = 0) -> Tree:
    """Return the tree of a value.

    Args:
        value: anything.
        level: the number of values that this one is nested in.

    Raises:
        UnencodableError: it has none.
    """
    # A list in itself would have no end.
    if level > _MOST_NESTED:
        raise UnencodableError("value nested too deeply")
    kind = type(value)
    if id(kind) in _SCALARS:
        return value
    if kind is int:
        return value if -_BIG < value < _BIG else {"i": hex(value)}
    if kind is list:
        return _trees(value, level)
    if kind is tuple:
        return {"t": _trees(value, level)}
    if kind is dict:
        keys = _hashed(value, level)
        # The order of insertion does not count: `{1: 2, 3: 4} == {3: 4, 1: 2}`.
        pairs = [list(pair) for pair in zip(keys, _trees(value.values(), level), strict=True)]
        return {"d": sorted(pairs, key=lambda pair: _to_json(pair[0]))}
    if kind is set or kind is frozenset:
        return {"s" if kind is set else "f": sorted(_hashed(value, level), key=_to_json)}
    if kind is bytes:
        return {"b": value.hex()}
    if kind is complex:
        return {"c": [value.real, value.imag]}
    return _tree(_held_by(value), level)


def _trees(values: Collection[Any], level: int) -> list[Tree]:
    """Return the trees of several values at a level."""
    # A list of a million numbers is its own tree.
    kinds = set(map(id, map(type, values)))
    if kinds <= _SCALARS or (kinds == {id(int)} and min(values) > -_BIG and max(values) < _BIG):
        return list(values)
    return [_tree(value, level + 1) for value in values]


def _hashed(values: Collection[Any], level: int) -> list[Tree]:
    """Return the trees of the items of a set, or of the keys of a dictionary.

    Raises:
        ValueError: as `_hashable`.
    """
    trees = _trees(values, level)
    # Many keys with one hash take quadratic time in the supervisor.
    if len(trees) > _MOST_OF_A_HASH:
        _hashable(_value(trees))
    return trees


def encode(value: Any) -> str:
    """Return the canonical text of a value, on one line.

    Raises:
        UnencodableError: the value, or a part of it, has no plain type, or is nested too deeply.
    """
    try:
        return _to_json(_tree(value))
    except RecursionError:
        raise UnencodableError("value nested too deeply") from None
    except (TypeError, ValueError, OverflowError):  # a view of lists, an infinite decimal
        raise UnencodableError(type_name(type(value))) from None


class Digest(str):
    """The digest of a value that is too large to be passed on: `#`, the length of its text, `:`, a hash of it."""

    __slots__ = ()


def summarize(value: Any) -> str:
    """Return the canonical text of a value, or its `Digest` if it is longer than `MAX_TEXT`.

    Raises:
        UnencodableError: as `encode`.
    """
    text = encode(value)
    # The digest of a right value equals that of the expected one.
    if len(text) > MAX_TEXT:
        text = Digest(f"#{len(text)}:{blake2b(text.encode(), digest_size=32).hexdigest()}")
    return text


def _hashable(items: list[Any]) -> list[Any]:
    """Return the items of a set, or the keys of a dictionary.

    Raises:
        ValueError: too many have one hash, and making the set would take long.
    """
    if len(items) > _MOST_OF_A_HASH and max(collections.Counter(map(hash, items)).values()) > _MOST_OF_A_HASH:
        raise ValueError("too many items with one hash")
    return items


def _dictionary(pairs: list[Any]) -> dict[Any, Any]:
    """Return the dictionary of some pairs of trees."""
    # [[1, "a"], [2, "b"]]: all keys first, so that their hashes are checked before a table is made
    keys = _value([key for key, _ in pairs])
    values = _value([value for _, value in pairs])
    return dict(zip(_hashable(keys), values, strict=True))


_READERS: dict[str, Callable[[Any], Any]] = {
    "b": bytes.fromhex,
    "c": lambda body: complex(*body),
    "i": lambda body: int(body, 16),
    "t": lambda body: tuple(_value(body)),
    "s": lambda body: set(_hashable(_value(body))),
    "f": lambda body: frozenset(_hashable(_value(body))),
    "d": _dictionary,
}
_NESTED = frozenset({list, dict})
"""Types of trees that are not the value itself."""


def _value(tree: Tree) -> Any:
    """Return the value of a tree."""
    if type(tree) is list:
        return tree if _NESTED.isdisjoint(map(type, tree)) else [_value(item) for item in tree]
    if type(tree) is not dict:
        return tree
    # `{"t": [1, 2]}` is the tuple (1, 2).
    ((tag, body),) = tree.items()
    return _READERS[tag](body)


def decode(text: str) -> Any:
    """Return the value of a canonical text; a digest stays one.

    Any other text than `encode` writes raises an error of `verdicts.MALFORMED`.
    """
    return Digest(text) if text.startswith("#") else _value(_parse(text))
