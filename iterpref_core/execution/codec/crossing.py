"""Values that cross between a judge and a program: plain data by value, everything else by reference.

A value is a tree of JSON (`plain`): `{"t": [1, 2]}` is the tuple (1, 2). Only exact types are data: an object of a
subclass of `int` might lie about itself, and crosses by reference.

Containers are numbered as they appear, on both sides alike: `{"@": 0}` is the first one again. For `row = [0];
f([row, row])` there cross `[[0], {"@": 1}]`. Each message takes along what its side has changed in containers that both
have: if the program sets `rows[0][0] = 5`, its answer has the new contents of container 1. Only one side runs at a
time, so no change is seen too late. Containers that have crossed long ago are forgotten, when the judge says so.
"""

import collections
import json
import math
import operator
import re
import sys
from collections.abc import Iterable
from typing import Any

from .data_types import MAKERS, MAPPINGS, PART_TYPES, PARTS
from .plain import ATOMS, FROM_ATOM, SCALARS, Tree, are_scalars, to_json, with_digits

_NUMBER = re.compile(r"[<>|=][biufc]\d+")
_CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_read = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__).decode  # one nan, which is found again in lists
_SCALARS_AND_INT = SCALARS | {id(int)}


def dumps(tree: Tree) -> str:
    """Return the JSON of a tree, with integers of any size."""
    return str(with_digits(0, to_json, tree))


def loads(text: str) -> Tree:
    """Return the tree of a JSON text."""
    return with_digits(0, _read, text)


def _is_number(value: Any) -> bool:
    """Tell whether a value is a number of numpy's."""
    numpy: Any = sys.modules.get("numpy")
    return hasattr(numpy, "generic") and isinstance(value, numpy.generic) and bool(_NUMBER.fullmatch(value.dtype.str))


def _number_of(dtype: str, data: str) -> Any:
    import numpy as np

    if not _NUMBER.fullmatch(dtype):
        raise ValueError("no such number")
    (made,) = np.frombuffer(bytes.fromhex(data), dtype=dtype)
    # numpy rounds what it compares with: `np.float16(3.14) == 3.14159`, and an infinite one equals 70000.
    if made.dtype.kind in "fc" and (made.dtype.itemsize == 2 or np.isinf(made)):
        return np.float64(made) if made.dtype.kind == "f" else np.complex128(made)
    return made


def _items_of(container: Any) -> tuple[Any, ...]:
    """Return what a container holds now; to be compared by identity, since items may be objects of the other side."""
    if not isinstance(container, dict):
        return tuple(container)
    return (*container, *container.values(), getattr(container, "default_factory", None))


MAX_KNOWN = 200
"""Containers that are kept alike, the last ones."""
MAX_ITEMS = 10_000
"""Items in all of these: they are compared at each message."""


class Codec:
    """The values of a conversation, as trees and back; and the containers that both sides have.

    Args:
        references: makes and reads the trees of all that is no plain data; see `sandbox.judge.objects`.
    """

    def __init__(self, references: Any) -> None:
        self._references = references
        # By number, in this order: the containers, and what they held when the two sides were last alike.
        self._known: dict[int, Any] = {}
        self._items: dict[int, tuple[Any, ...]] = {}
        self._numbers: dict[int, int] = {}
        self._next = 0

    def _add(self, container: Any) -> Any:
        self._numbers[id(container)] = self._next
        self._known[self._next] = container
        self._next += 1
        return container

    def oldest(self) -> int:
        """Return the number of the oldest container that need not be forgotten."""
        left = MAX_ITEMS
        oldest = self._unsettled()
        for number in reversed(self._items):
            left -= 1 + len(self._known[number])
            if left < 0 or number < self._next - MAX_KNOWN:
                break
            oldest = number
        return oldest

    def forget(self, oldest: int) -> None:
        """Forget the containers that are older."""
        for number in [number for number in self._known if number < oldest]:
            del self._numbers[id(self._known.pop(number))], self._items[number]

    def _unsettled(self) -> int:
        """Return the number of the first container of a message that is being written or read."""
        return self._next - len(self._known) + len(self._items)

    def settle(self) -> None:
        """Note what new containers hold, now that a message is written or read."""
        for number in range(self._unsettled(), self._next):
            self._items[number] = _items_of(self._known[number])

    def changes(self) -> list[Any]:
        """Return what has changed here since the last message, as numbers and trees."""
        changed = []
        for number, items in self._items.items():
            now = _items_of(self._known[number])
            if len(now) != len(items) or not all(map(operator.is_, now, items)):
                changed.append([number, self._contents(self._known[number])])
                self._items[number] = now
        return changed

    def heed(self, changes: list[Any]) -> None:
        """Make the changes that the other side tells of."""
        for number, tree in changes:
            self._fill(self._known[number], tree)
            self._items[number] = _items_of(self._known[number])

    def tree(self, value: Any) -> Tree:
        """Return the tree of a value."""
        kind = type(value)
        if id(kind) in _SCALARS_AND_INT:
            return value
        if kind is tuple or kind is frozenset:
            return {"t" if kind is tuple else "f": self.trees(value)}
        if kind in _CONTAINERS:
            number = self._numbers.get(id(value))
            return {"@": number} if number is not None else self._contents(self._add(value))
        if id(kind) in ATOMS:
            return ATOMS[id(kind)](value)
        if kind in PARTS:
            parts = tuple(PARTS[kind](value))
            if PART_TYPES.issuperset(map(type, parts)):  # else a time with a zone of its own
                return {"z": [kind.__name__, self.trees(parts)]}
        if _is_number(value):
            return {"n": [value.dtype.str, value.tobytes().hex()]}
        return self._references.refer(value, self)

    def trees(self, values: Iterable[Any]) -> list[Tree]:
        """Return the trees of values."""
        items = list(values)
        return items if are_scalars(items, tag_ints=False) else [self.tree(item) for item in items]

    def _contents(self, value: Any) -> Tree:
        """Return the tree of a container's items."""
        kind = type(value)
        if kind is list:
            return self.trees(value)
        if kind is set:
            return {"s": self.trees(value)}
        pairs = [[self.tree(key), self.tree(item)] for key, item in value.items()]
        if kind is dict:
            return {"d": pairs}
        return {"D": [kind.__name__, self.tree(getattr(value, "default_factory", None)), pairs]}

    def value(self, tree: Tree) -> Any:  # noqa: C901 - one a tag
        """Return the value of a tree, which may be anything: whoever wrote it may be hostile.

        Raises:
            Exception: the tree is none that `tree` writes.
        """
        if type(tree) is list:
            return self._fill(self._add([]), tree)
        if type(tree) is not dict:
            return tree
        ((tag, body),) = tree.items()
        match tag:
            case "d" | "s":
                return self._fill(self._add({} if tag == "d" else set()), tree)
            case "D":
                return self._fill(self._add(MAPPINGS[body[0]]()), tree)
            case "@":
                return self._known[body]
            case "t":
                return tuple(self._values(body))
            case "f":
                return frozenset(self._values(body))
            case "z":
                name, parts = body
                values = self._values(parts)
                if not PART_TYPES.issuperset(map(type, values)):
                    raise TypeError("no parts of data")
                return MAKERS[name](*values)
            case "n":
                return _number_of(*body)
        if tag in FROM_ATOM:
            return FROM_ATOM[tag](body)
        return self._references.resolve(tag, body, self)

    def _values(self, items: list[Tree]) -> list[Any]:
        return [self.value(item) if type(item) is list or type(item) is dict else item for item in items]

    def _fill(self, container: Any, tree: Tree) -> Any:
        """Give a container the contents that a tree says; return the container."""
        if type(container) is list:
            container[:] = self._values(tree)
            return container
        (body,) = tree.values()
        if type(container) is set:
            items = self._values(body)
            container.clear()
            container.update(items)
            return container
        if type(container) is collections.defaultdict:
            container.default_factory = self.value(body[1])
        pairs = [self._values(pair) for pair in (body if type(container) is dict else body[2])]
        container.clear()
        for key, item in pairs:
            container[key] = item
        return container


_CONTAINERS = frozenset({list, dict, set, *MAPPINGS.values()})
