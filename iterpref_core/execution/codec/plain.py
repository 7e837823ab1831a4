"""Plain values as trees of JSON: what `canonical` texts and messages (`sandbox.judge.objects`) have in common.

None, truth values, numbers, texts and lists are themselves; the rest is an object with one key that names its type:

    t  tuple    s  set    f  frozenset    d  dictionary, as pairs    b  bytes    c  complex number
    u  Ellipsis, NotImplemented    i  an integer with more digits than JSON can hold
    z  an object of a class whose objects are data: the class's name, and the parts that make an equal object

Types are told apart by identity: a metaclass may lie about equality and hash.
"""

import json
import math
import sys
import types
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from .data_types import MAKERS, PART_TYPES, PARTS

Tree = Any
_BIG = 10**sys.int_info.str_digits_check_threshold
"""Python writes smaller integers as decimals whatever limit a program or a test has set."""
_SCALARS = frozenset(map(id, (type(None), bool, str, float)))
"""Types whose values are their own trees."""
_NESTED = frozenset({list, dict})
"""Types of trees that are not the value itself."""
_to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_parse = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__).decode  # one nan, which is found again in lists
_SINGLE = {"...": Ellipsis, "NotImplemented": NotImplemented}
_ATOMS: dict[int, Callable[[Any], Tree]] = {
    id(bytes): lambda value: {"b": value.hex()},
    id(complex): lambda value: {"c": [value.real, value.imag]},
    id(types.EllipsisType): lambda _: {"u": "..."},
    id(types.NotImplementedType): lambda _: {"u": "NotImplemented"},
}
"""Makers of the trees of other values without items, by the identity of their types."""
_MAX_COLLISIONS = 1000


class UnencodableError(Exception):
    """A value (or a part of it) is not of an exact plain type; the message names the type."""


def type_name(kind: type) -> str:
    """Return a class's name as the interpreter knows it, whatever its metaclass says."""
    return str(type.__dict__["__name__"].__get__(kind))


def _are_own_trees(values: Collection[Any]) -> bool:
    """Tell whether all values are their own trees, if they are all integers or none is."""
    kinds = set(map(id, map(type, values)))
    return kinds <= _SCALARS or (kinds == {id(int)} and min(values) > -_BIG and max(values) < _BIG)


def _hashable(items: list[Any]) -> list[Any]:
    """Return the items of a set, or the keys of a dictionary.

    Raises:
        ValueError: so many have one hash that making the set would take minutes.
    """
    if len(items) > _MAX_COLLISIONS and len(items) - len(set(map(hash, items))) > _MAX_COLLISIONS:
        raise ValueError("too many items with one hash")
    return items


class Trees:
    """A maker of trees of values, and of values of trees.

    Attributes:
        sorts: equal dictionaries have equal trees; else they keep their order.
        readers: of the trees with one key, by that key; each is given this object and what is under the key.
    """

    sorts = True
    readers: ClassVar[dict[str, Callable[[Any, Any], Any]]] = {
        "b": lambda _, body: bytes.fromhex(body),
        "c": lambda _, body: complex(*body),
        "i": lambda _, body: int(body, 16),
        "u": lambda _, body: _SINGLE[body],
        "t": lambda trees, body: tuple(trees.value(body)),
        "s": lambda trees, body: set(_hashable(trees.value(body))),
        "f": lambda trees, body: frozenset(_hashable(trees.value(body))),
        "d": lambda trees, body: trees.dictionary(body),
        "z": lambda trees, body: trees.object(*trees.value(body)),
    }

    def text(self, value: Any) -> str:
        """Return the JSON of a value's tree, on one line.

        Raises:
            UnencodableError: as `other` says.
        """
        return _to_json(self.tree(value))

    def read(self, text: str) -> Any:
        """Return the value of a text.

        Raises:
            Exception: it is none that `text` writes; whoever wrote it may be hostile.
        """
        return self.value(_parse(text))

    def tree(self, value: Any) -> Tree:
        """Return the tree of a value."""
        kind = type(value)
        if id(kind) in _SCALARS:
            return value
        if kind is int:
            return value if -_BIG < value < _BIG else {"i": hex(value)}
        if kind is list:
            return self.trees(value)
        if kind is tuple:
            return {"t": self.trees(value)}
        if kind is dict:
            pairs = [self.trees(pair) for pair in value.items()]
            return {"d": sorted(pairs, key=lambda pair: _to_json(pair[0])) if self.sorts else pairs}
        if kind is set or kind is frozenset:
            items = self.trees(value)
            return {"s" if kind is set else "f": sorted(items, key=_to_json)}
        if id(kind) in _ATOMS:
            return _ATOMS[id(kind)](value)
        return self.other(value)

    def trees(self, values: Collection[Any]) -> list[Tree]:
        """Return the trees of values."""
        if _are_own_trees(values):
            return list(values)
        return [self.tree(value) for value in values]

    def other(self, value: Any) -> Tree:
        """Return the tree of a value that is of none of these types.

        Raises:
            UnencodableError: it has none.
        """
        raise UnencodableError(type_name(type(value)))

    def parts(self, value: Any) -> Tree:
        """Return the tree of an object that is data by its parts; None if a part is not: a time zone of its own."""
        kind = type(value)
        parts = tuple(PARTS[kind](value))
        if not PART_TYPES.issuperset(map(type, parts)):
            return None
        return {"z": [kind.__name__, *self.trees(parts)]}

    def value(self, tree: Tree) -> Any:
        """Return the value of a tree."""
        if type(tree) is list:
            if _NESTED.isdisjoint(map(type, tree)):
                return tree
            return [self.value(item) for item in tree]
        if type(tree) is not dict:
            return tree
        ((tag, body),) = tree.items()
        return self.readers[tag](self, body)

    def dictionary(self, pairs: list[Any]) -> dict[Any, Any]:
        """Return the dictionary of some pairs of trees."""
        # [[1, "a"], [2, "b"]]: all keys first, so that they are looked at before one of them is put into a table
        keys = self.value([key for key, _ in pairs])
        values = self.value([value for _, value in pairs])
        return dict(zip(_hashable(keys), values, strict=True))

    def object(self, name: str, *parts: Any) -> Any:
        """Return the object of some parts; see `data_types`."""
        # Of a text, `Fraction` would compute the power in "1e999999999".
        allowed = {int} if name == "Fraction" else PART_TYPES
        if not allowed.issuperset(map(type, parts)):
            raise TypeError("no parts of data")
        return MAKERS[name](*parts)
