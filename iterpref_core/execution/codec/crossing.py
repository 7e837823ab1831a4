"""Values that cross between a judge and a program: plain data by value, everything else by reference.

A value is a tree of JSON (`plain`): `{"t": [1, 2]}` is the tuple (1, 2). Only exact types are data: an object of a
subclass of `int` might lie about itself, and crosses by reference.

Containers are numbered as they appear, on both sides alike: `{"@": 0}` is the first one again. For `row = [0];
f([row, row])` there cross `[[0], {"@": 1}]`. Each message takes along what its side has changed in containers that both
have: if the program sets `rows[0][0] = 5`, its answer has the new contents of container 1. Only one side runs at a
time, so no change is seen too late. Containers that have crossed long ago are forgotten, by both sides alike.
"""

import array
import collections
import json
import math
import operator
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from .data_types import MAKERS, MAPPINGS, PART_TYPES, PARTS
from .plain import ATOMS, FROM_ATOM, SCALARS, Tree, are_scalars, dumps, integer, with_pythons_digits

_DTYPE = re.compile(r"[<>|=]?[biufcSUMm]\d+(\[\w+\])?")
_CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_read = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__).decode  # one nan, which is found again in lists


class References(Protocol):
    """The maker and the reader of references; see `sandbox.judge.objects`."""

    def refer(self, value: Any, codec: "Codec") -> Tree:
        """Return the tree of a value that is no plain data."""

    def resolve(self, tag: str, body: Any, codec: "Codec") -> Any:
        """Return the object of this side that such a tree names."""


def loads(text: str) -> Tree:
    """Return the tree of a JSON text."""
    return with_pythons_digits(_read, text)


def _numpy() -> Any:
    numpy = sys.modules.get("numpy")
    return numpy if hasattr(numpy, "ndarray") else None


def is_array(value: Any) -> bool:
    """Tell whether a value is an array of numpy's that crosses as data."""
    numpy = _numpy()
    return numpy is not None and type(value) is numpy.ndarray and _is_data(value.dtype)


def _is_scalar(value: Any) -> bool:
    numpy = _numpy()
    return numpy is not None and isinstance(value, numpy.generic) and _is_data(value.dtype)


def _is_data(dtype: Any) -> bool:
    return dtype.char == "O" or _DTYPE.fullmatch(dtype.str) is not None


class State(NamedTuple):
    """The contents of a container.

    Attributes:
        form: what is compared by value: bytes, the shape of an array.
        items: what is compared by identity: items may be the other side's, and are not asked.
    """

    form: Any
    items: tuple[Any, ...]


def state_of(container: Any) -> State:
    """Return what a container holds now."""
    kind = type(container)
    if kind is dict or kind in MAPPINGS.values():
        form: Any = id(container.default_factory) if kind is collections.defaultdict else None
        return State(form, (*container, *container.values()))
    if kind is bytearray or kind is array.array:
        return State(bytes(container), ())
    if is_array(container):
        form = (container.dtype.str, container.shape, container.flags.writeable)
        if container.dtype.char == "O":
            return State(form, tuple(container.ravel().tolist()))
        return State((form, container.tobytes()), ())
    return State(None, tuple(container))


def is_same(state: State, other: State) -> bool:
    """Tell whether a container holds the same as before."""
    same_length = len(state.items) == len(other.items)
    return same_length and bool(state.form == other.form) and all(map(operator.is_, state.items, other.items))


MAX_KNOWN = 200
"""Containers that are kept alike when a new request begins, the last ones."""
MAX_ITEMS = 10_000
"""Items in all of these: they are compared at each message."""


class Codec:
    """The values of a conversation, as trees and back; and the containers that both sides have.

    Args:
        references: makes and reads the trees of all that is no plain data.
    """

    def __init__(self, references: References) -> None:
        self._references = references
        self._tag_ints = False
        self._next = 0
        # By number: a container, what it held when the two sides were last alike, and how much it held at first.
        self._known: dict[int, tuple[Any, Any, int]] = {}
        self._numbers: dict[int, int] = {}
        self._fresh: list[Any] = []

    def _add(self, container: Any) -> Any:
        self._numbers[id(container)] = self._next
        self._known[self._next] = (container, None, 0)
        self._fresh.append(self._next)
        self._next += 1
        return container

    def _forget(self, number: int) -> None:
        container, _, _ = self._known.pop(number)
        del self._numbers[id(container)]

    def begin(self) -> None:
        """Forget containers that have crossed long ago: a new request begins that is in no other."""
        left = MAX_ITEMS
        for place, number in enumerate(sorted(self._known, reverse=True)):
            left -= self._known[number][2]
            if place >= MAX_KNOWN or left < 0:
                self._forget(number)

    def settle(self) -> None:
        """Note what new containers hold, now that a message is written or read."""
        for number in self._fresh:
            container = self._known[number][0]
            state = state_of(container)
            self._known[number] = (container, state, 1 + len(state.items) + getattr(container, "nbytes", 0))
        self._fresh = []

    def updates(self) -> list[Any]:
        """Return what has changed here since the last message, as numbers and trees."""
        changed = []
        for number, (container, state, size) in list(self._known.items()):
            if not size:
                continue
            now = state_of(container)
            if not is_same(now, state):
                changed.append([number, self.contents(container)])
                self._known[number] = (container, now, size)
        return changed

    def heed(self, updates: list[Any]) -> None:
        """Make the changes that the other side tells of."""
        for number, tree in updates:
            container, _, size = self._known[number]
            self.fill(container, tree)
            self._known[number] = (container, state_of(container), size)

    def text(self, make: Callable[[], Tree]) -> str:
        """Return the JSON of a tree that is made of values, for the next message."""
        try:
            return self._text(make)
        except ValueError:  # an integer has more digits than can be written
            self._tag_ints = True
            return self._text(make)
        finally:
            self._tag_ints = False

    def _text(self, make: Callable[[], Tree]) -> str:
        before = (self._next, dict(self._known))
        try:
            text = dumps(make())
        except BaseException:
            self._next, known = before
            for number in self._fresh:
                self._forget(number)
            self._fresh = []
            self._known = known
            raise
        self.settle()
        return text

    def tree(self, value: Any) -> Tree:
        """Return the tree of a value."""
        kind = type(value)
        if id(kind) in SCALARS:
            return value
        if kind is int:
            return integer(value, tag_ints=self._tag_ints)
        if kind is tuple or kind is frozenset:
            return {"t" if kind is tuple else "f": self.trees(value)}
        if kind in _TAGS or is_array(value):
            number = self._numbers.get(id(value))
            return {"@": number} if number is not None else self.contents(self._add(value))
        if id(kind) in ATOMS:
            return ATOMS[id(kind)](value)
        if kind in PARTS:
            parts = tuple(PARTS[kind](value))
            if kind is slice or PART_TYPES.issuperset(map(type, parts)):  # else a time with a zone of its own
                return {"z": [kind.__name__, self.trees(parts)]}
        if _is_scalar(value):
            if value.dtype.kind in "US":  # one of Python's, with the zeros at its end that an array would lose
                held = str.__str__(value) if value.dtype.kind == "U" else bytes(value)
                return {"n": [value.dtype.kind, self.tree(held)]}
            return {"n": [value.dtype.str, value.tobytes().hex()]}
        return self._references.refer(value, self)

    def trees(self, values: Iterable[Any]) -> list[Tree]:
        """Return the trees of values."""
        items = list(values)
        return items if are_scalars(items, tag_ints=self._tag_ints) else [self.tree(item) for item in items]

    def contents(self, value: Any) -> Tree:
        """Return the tree of a container's items."""
        kind = type(value)
        if kind is list:
            return self.trees(value)
        if is_array(value):
            data = self.trees(value.ravel().tolist()) if value.dtype.char == "O" else value.tobytes().hex()
            return {"a": [value.dtype.str, list(value.shape), data, bool(value.flags.writeable)]}
        tag = _TAGS[kind]
        if tag == "B":
            return {tag: value.hex()}
        if tag == "r":
            return {tag: [value.typecode, value.tobytes().hex()]}
        if tag == "q":
            return {tag: [value.maxlen, self.trees(value)]}
        if tag == "s":
            return {tag: self.trees(value)}
        pairs = [[self.tree(key), self.tree(item)] for key, item in value.items()]
        if tag == "d":
            return {tag: pairs}
        factory = value.default_factory if kind is collections.defaultdict else None
        return {tag: [kind.__name__, self.tree(factory), pairs]}

    def value(self, tree: Tree) -> Any:  # noqa: C901, PLR0912 - one a tag
        """Return the value of a tree, which may be anything: whoever wrote it may be hostile.

        Raises:
            Exception: the tree is none that `tree` writes.
        """
        if type(tree) is list:
            return self._fill_list(self._add(tree))
        if type(tree) is not dict:
            return tree
        ((tag, body),) = tree.items()
        if tag in _EMPTY:
            container = self._add(_EMPTY[tag](body))
            self.fill(container, tree)
            return container
        match tag:
            case "@":
                return self._known[body][0]
            case "t":
                return tuple(self._fill_list(body))
            case "f":
                return frozenset(self._fill_list(body))
            case "z":
                name, parts = body
                values = self._fill_list(parts)
                if name != "slice" and not PART_TYPES.issuperset(map(type, values)):
                    raise TypeError("no parts of data")
                return MAKERS[name](*values)
            case "n":
                if body[0] in ("U", "S"):
                    import numpy as np

                    return (np.str_ if body[0] == "U" else np.bytes_)(self.value(body[1]))
                return self._array(body[0], [1], body[1])[0]
            case "a":
                *array, is_writable = body
                made = self._add(self._array(*array))
                if made.dtype.char == "O":
                    self._fill_objects(made, body[2])
                made.flags.writeable = is_writable
                return made
        if tag in FROM_ATOM:
            return FROM_ATOM[tag](body)
        return self._references.resolve(tag, body, self)

    def _fill_list(self, items: list[Tree]) -> list[Any]:
        for place, item in enumerate(items):
            if type(item) is list or type(item) is dict:
                items[place] = self.value(item)
        return items

    def _array(self, dtype: str, shape: list[int], data: Any) -> Any:
        import numpy as np

        if dtype == "|O":
            if math.prod(shape) != len(data):
                raise ValueError("no such array")
            return np.empty(shape, dtype=object)
        if _DTYPE.fullmatch(dtype) is None:
            raise ValueError("no such array")
        made = np.frombuffer(bytes.fromhex(data), dtype=dtype).reshape(shape).copy()  # which owns its numbers
        # numpy rounds what it compares with: `np.float16(3.14) == 3.14159`, and an infinite one equals 70000.
        wide = {"f": np.float64, "c": np.complex128}.get(made.dtype.kind)
        is_exact = wide is None or (made.dtype.itemsize > 2 and not np.isinf(made).any())
        return made if is_exact else made.astype(wide)

    def fill(self, container: Any, tree: Tree) -> None:
        """Give a container the contents that a tree says."""
        kind = type(container)
        if kind is list:
            container[:] = self._fill_list(tree)
            return
        (body,) = tree.values()
        if kind is dict or kind in MAPPINGS.values():
            if kind is collections.defaultdict:
                container.default_factory = self.value(body[1])
            pairs = [(self.value(key), self.value(item)) for key, item in (body if kind is dict else body[2])]
            container.clear()
            for key, item in pairs:
                container[key] = item
        elif kind is set or kind is collections.deque:
            items = self._fill_list(body if kind is set else body[1])
            container.clear()
            container.update(items) if kind is set else container.extend(items)
        elif kind is bytearray:
            container[:] = bytes.fromhex(body)
        elif kind is array.array:
            container[:] = array.array(body[0], bytes.fromhex(body[1]))
        else:
            self._fill_array(container, *body)

    def _fill_array(self, container: Any, dtype: str, shape: list[int], data: Any, is_writable: bool) -> None:
        made = self._array(dtype, shape, data)
        container.flags.writeable = True
        if container.nbytes != made.nbytes and container.dtype == made.dtype:
            container.resize(made.shape, refcheck=False)
        if container.shape != made.shape or container.dtype.kind != made.dtype.kind:
            container.dtype = made.dtype
            container.shape = made.shape
        if made.dtype.char == "O":
            self._fill_objects(container, data)
        else:
            container[...] = made
        container.flags.writeable = is_writable

    def _fill_objects(self, container: Any, items: list[Tree]) -> None:
        for place, item in enumerate(self._fill_list(items)):
            container.flat[place] = item  # one by one: numpy would take the items of an item that is a list


_TAGS: dict[type, str] = {
    list: "",
    dict: "d",
    set: "s",
    collections.deque: "q",
    bytearray: "B",
    array.array: "r",
    **dict.fromkeys(MAPPINGS.values(), "D"),
}
_EMPTY: dict[str, Callable[[Any], Any]] = {
    "d": lambda _: {},
    "s": lambda _: set(),
    "q": lambda body: collections.deque(maxlen=body[0]),
    "B": lambda _: bytearray(),
    "r": lambda body: array.array(body[0]),
    "D": lambda body: MAPPINGS[body[0]](),
}
