r"""Values that cross between a judge and a program: plain data by value, everything else by reference.

A value is a tree of JSON (`plain`): `{"t": [1, 2]}` is the tuple (1, 2). Only exact types are data: an object of a
subclass of `int` might lie about itself, and crosses by reference.

Containers that can be changed are numbered as they appear, on both sides alike, so that `{"@": 0}` is the first one
again. That keeps identity: for `row = [0]; f([row, row])` there cross

    [[0], {"@": 1}]          the outer list is container 0, the inner one container 1

and if the program sets `rows[0][0] = 5`, its answer has the new contents of container 1; see `replicas`.
"""

import array
import cmath
import collections
import decimal
import importlib
import math
import operator
import sys
import types
import zoneinfo
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from .annotations import annotation_of, form_of
from .arrays import (
    Widens,
    array_of,
    dtype_of,
    is_array,
    is_dtype,
    is_numpy_scalar,
    objects_of,
    scalar_of,
    tree_of_array,
    tree_of_dtype,
    tree_of_scalar,
)
from .data_types import (
    ADDRESSES,
    HOLDERS,
    HOLDERS_BY_NAME,
    MAKERS,
    MAPPINGS,
    PART_TYPES,
    PARTS,
    VIEWS,
    is_address,
    is_whole,
)
from .plain import ATOMS, FROM_ATOM, NESTED, SCALARS, Tree, are_scalars, integer

_NANS = {"math.nan": "math", "numpy.nan": "numpy"}


class ObjectReferences(Protocol):
    """The maker and the reader of references; see `references.ObjectTable`.

    Attributes:
        looks: objects that have arrived as copies, and look into a container which is not here.
        widens: the numbers of numpy's that arrive as doubles; see `arrays.widened`.
    """

    looks: list[Any]
    widens: Widens

    def refer(self, value: Any, encoder: "Encoder") -> Tree:
        """Return the tree of a value that is no plain data."""

    def resolve(self, tag: str, body: Any, decoder: "Decoder") -> Any:
        """Return the object of this side that such a tree names."""


class Encoder:
    """The values of one message as trees.

    Args:
        references: makes the trees of all that is no plain data.
        known: numbers of the containers that both sides have, by identity; see `replicas`.
        first: number of the first container that is new.
        tag_ints: write integers of more digits than JSON can hold in another way.

    Attributes:
        containers: those that are new, in the order in which they were met.
    """

    def __init__(
        self,
        references: ObjectReferences,
        known: dict[int, int] | None = None,
        first: int = 0,
        *,
        tag_ints: bool = False,
    ) -> None:
        self._references = references
        self._tag_ints = tag_ints
        self.containers: list[Any] = []
        self._known = {} if known is None else known
        self._first = first
        self._numbers: dict[int, int] = {}

    def _number(self, container: Any) -> None:
        self._numbers[id(container)] = self._first + len(self.containers)
        self.containers.append(container)

    def tree(self, value: Any) -> Tree:  # noqa: C901 - one a type
        """Return the tree of a value."""
        kind = type(value)
        if kind is float and math.isnan(value):
            return self._nan(value, None)
        if id(kind) in SCALARS:
            return value
        if kind is int:
            return integer(value, tag_ints=self._tag_ints)
        if kind is tuple:
            return {"t": self._items(value)}
        if kind in _REFILL or is_array(value) or (kind in HOLDERS and is_whole(kind, vars(value))):
            number = self._numbers.get(id(value), self._known.get(id(value)))
            if number is not None:
                return {"@": number}
            self._number(value)
            return self.contents(value)
        if kind is frozenset:
            return {"f": self._items(value)}
        if id(kind) in ATOMS:
            tree = ATOMS[id(kind)](value)
            return self._nan(value, tree) if kind is complex and cmath.isnan(value) else tree
        if kind is decimal.Decimal and value.is_nan():
            return self._nan(value, {"z": ["Decimal", str(value)]})
        if kind in PARTS and not (kind is zoneinfo.ZoneInfo and value.key is None):
            return {"z": [kind.__name__, *map(self.tree, PARTS[kind](value))]}
        if kind in VIEWS:
            items = value.items() if kind is types.MappingProxyType else value
            return {"v": [VIEWS[kind], [self.tree(item) for item in items]]}
        tree = self._of_library(value)
        return self._references.refer(value, self) if tree is None else tree

    def _of_library(self, value: Any) -> Tree:
        """Return the tree of a scalar or dtype of numpy's, an address or an annotation; None for any other value."""
        if is_numpy_scalar(value):
            tree = {"n": tree_of_scalar(value)}
            is_nan = value.dtype.kind in "fcMm" and value != value  # noqa: PLR0124 - nan, NaT
            return self._nan(value, tree) if is_nan else tree
        if is_dtype(value):
            return {"T": tree_of_dtype(value)}
        if is_address(type(value)):
            return {"z": [type(value).__name__, str(value)]}
        form = form_of(value)
        if form is not None:
            return {"G": [form[0], [self.tree(part) for part in form[1]]]}
        return None

    def _items(self, value: Iterable[Any]) -> list[Tree]:
        has_nan = float in set(map(type, value)) and any(map(operator.ne, value, value))
        if not has_nan and are_scalars(value, tag_ints=self._tag_ints):
            return list(value)
        return [self.tree(item) for item in value]

    def _nan(self, value: Any, tree: Tree) -> Tree:
        """Return the tree of a value that equals nothing, not even itself, and is found in lists as the same object."""
        for name, module in _NANS.items():
            if module in sys.modules and value is sys.modules[module].nan:
                return {"#": name}
        number = self._numbers.get(id(value), self._known.get(id(value)))
        if number is not None:
            return {"@": number}
        self._number(value)
        return {"I": tree}

    def _pairs(self, value: dict[Any, Any]) -> list[list[Tree]]:
        return [[self.tree(key), self.tree(item)] for key, item in value.items()]

    def contents(self, value: Any) -> Tree:
        """Return the tree of a container's items, known or not."""
        kind = type(value)
        if kind is list:
            return self._items(value)
        if kind is dict:
            return {"d": self._pairs(value)}
        if kind is set:
            return {"s": self._items(value)}
        if kind is collections.deque:
            return {"q": [value.maxlen, self._items(value)]}
        if kind is bytearray:
            return {"B": value.hex()}
        if kind in HOLDERS:
            return {"S": [kind.__name__, self._pairs(vars(value))]}
        if kind is array.array:
            return {"r": [value.typecode, value.tobytes().hex()]}
        if kind in _REFILL:
            factory = value.default_factory if kind is collections.defaultdict else None
            return {"D": [kind.__name__, self.tree(factory), self._pairs(value)]}
        if value.dtype.kind == "O":
            return {"a": ["O", list(value.shape), self._items(value.ravel().tolist())]}
        return {"a": tree_of_array(value)}


class Decoder:
    """The trees of one message as values. A tree may be anything: whoever wrote it may be hostile.

    Args:
        references: finds the objects that trees of references name.
        known: returns the container of a number that both sides have; see `replicas`.
        first: number of the first container that is new.
        keeps_made: an object that is under test stays so, though it comes back.

    Attributes:
        containers: those that are new, in their order.
    """

    def __init__(
        self,
        references: ObjectReferences,
        known: Callable[[int], Any] | None = None,
        first: int = 0,
        *,
        keeps_made: bool = False,
    ) -> None:
        self._references = references
        self._known = known
        self._first = first
        self.keeps_made = keeps_made
        self.containers: list[Any] = []

    def value(self, tree: Tree) -> Any:  # noqa: C901, PLR0912 - one a tag
        """Return the value of a tree.

        Raises:
            Exception: the tree is none that an encoder writes; see `connection.MALFORMED`.
        """
        kind = type(tree)
        if kind is list:
            self.containers.append(tree)
            return self._fill_list(tree)
        if kind is not dict:
            return tree
        ((tag, body),) = tree.items()
        match tag:
            case "t":
                return tuple(self._fill_list(body))
            case "@":
                return self._container(body)
            case "f":
                return frozenset(self._fill_list(body))
            case "b" | "c" | "i" | "u":
                return FROM_ATOM[tag](body)
            case "#":
                return importlib.import_module(_NANS[body]).nan
            case "I":
                made = math.nan * 1 if body is None else self.value(body)
                self.containers.append(made)
                return made
            case "z":
                return self._made(body[0], [self.value(part) for part in body[1:]])
            case "v":
                return self._view(*body)
            case "n":
                return scalar_of(*body, widens=self._references.widens)
            case "G":
                return annotation_of(body[0], self._fill_list(body[1]))
            case "T":
                return dtype_of(body)
            case "a":
                return self._new_array(*body)
        empty = _EMPTY.get(tag)
        if empty is None:
            return self._references.resolve(tag, body, self)
        container = empty(body)
        self.containers.append(container)
        self.fill(container, tree)
        return container

    def _container(self, number: int) -> Any:
        if type(number) is not int:
            raise TypeError("no number of a container")
        if number < self._first and self._known is not None:
            return self._known(number)
        return self.containers[number - self._first]

    def _fill_list(self, items: list[Tree]) -> list[Any]:
        if type(items) is not list:
            raise TypeError("no list")
        for place, item in enumerate(items):
            if type(item) in NESTED:
                items[place] = self.value(item)
        return items

    def _pairs(self, pairs: list[list[Tree]]) -> list[tuple[Any, Any]]:
        return [(self.value(key), self.value(item)) for key, item in pairs]

    def _made(self, name: str, parts: list[Any]) -> Any:
        kind = getattr(importlib.import_module("ipaddress"), name) if name in ADDRESSES else MAKERS[name]
        if kind is not slice and not all(type(part) in PART_TYPES for part in parts):
            raise TypeError("no parts of data")
        made = kind(*parts)
        if kind is memoryview:
            self._references.looks.append(made)
        return made

    def _view(self, name: str, items: list[Tree]) -> Any:
        held = [self.value(item) for item in items]
        # A view is that of some dictionary: of {0: 5, 1: 5} for the values 5 and 5.
        if name == "values":
            view: Any = dict(enumerate(held)).values()
        elif name == "proxy":
            view = types.MappingProxyType(dict(held))
        else:
            view = dict(held).items() if name == "items" else dict.fromkeys(held).keys()
        self._references.looks.append(view)
        return view

    def _new_array(self, dtype: Tree, shape: list[int], data: Any, *name: str) -> Any:
        made = objects_of(shape, len(data)) if dtype == "O" else self._array(dtype, shape, data, *name)
        self.containers.append(made)
        if dtype == "O":
            self._fill_objects(made, data)
        return made

    def _fill_objects(self, made: Any, data: list[Tree]) -> None:
        items = self._fill_list(data)
        if len(items) != made.size:
            raise ValueError("no such array")
        # One by one: numpy would take the items of an item that is a list.
        for place, item in enumerate(items):
            made.flat[place] = item

    def _array(self, dtype: Tree, shape: list[int], data: str, *name: str) -> Any:
        return array_of(dtype, shape, data, *name, widens=self._references.widens)

    def fill(self, container: Any, tree: Tree) -> None:  # noqa: C901, PLR0912 - one a type
        """Give a container the contents that a tree says."""
        kind = type(container)
        if kind is list:
            container[:] = self._fill_list(tree)
            return
        ((_, body),) = tree.items()
        if kind is dict or kind in MAPPINGS.values():
            if kind is collections.defaultdict:
                container.default_factory = self.value(body[1])
            pairs = self._pairs(body if kind is dict else body[2])
            container.clear()
            for key, item in pairs:
                container[key] = item
        elif kind is set:
            items = self._fill_list(body)
            container.clear()
            container.update(items)
        elif kind is collections.deque:
            items = self._fill_list(body[1])
            container.clear()
            container.extend(items)
        elif kind is bytearray:
            container[:] = bytes.fromhex(body)
        elif kind in HOLDERS:
            held = dict(self._pairs(body[1]))
            if not is_whole(kind, held):
                raise TypeError("no such attributes")
            vars(container).clear()
            vars(container).update(held)
        elif kind is array.array:
            container[:] = array.array(body[0], bytes.fromhex(body[1]))
        elif body[0] == "O":
            if list(container.shape) == body[1]:
                self._fill_objects(container, body[2])
        else:
            changed = self._array(*body)
            if changed.shape == container.shape:
                container[...] = changed


def _without_attributes(kind: Any) -> Any:
    return kind.__new__(kind)


_REFILL = frozenset({list, dict, set, collections.deque, bytearray, array.array, *MAPPINGS.values()})
_EMPTY: dict[str, Callable[[Any], Any]] = {
    "d": lambda _: {},
    "s": lambda _: set(),
    "q": lambda body: collections.deque(maxlen=body[0]),
    "B": lambda _: bytearray(),
    "S": lambda body: _without_attributes(HOLDERS_BY_NAME[body[0]]),
    "r": lambda body: array.array(body[0]),
    "D": lambda body: MAPPINGS[body[0]](),
}
