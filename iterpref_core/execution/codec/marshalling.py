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
import datetime as dt
import decimal
import importlib
import math
import operator
import pathlib
import re
import sys
import types
import uuid
import zoneinfo
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from .plain import ATOMS, FROM_ATOM, NESTED, NUMBERS, SCALARS, Tree, are_scalars, integer

_DTYPE = re.compile(r"[<>|=]?[biufcSUMm]\d+(\[\d*\w+\])?")
MAPPINGS: dict[str, type] = {
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
    "defaultdict": collections.defaultdict,
}
_VIEWS: dict[type, str] = {
    type({}.keys()): "keys",
    type({}.values()): "values",
    type({}.items()): "items",
}

PARTS: dict[type, Callable[[Any], Iterable[Any]]] = {
    range: lambda v: (v.start, v.stop, v.step),
    slice: lambda v: (v.start, v.stop, v.step),
    **NUMBERS,
    dt.date: lambda v: (v.year, v.month, v.day),
    dt.time: lambda v: (v.hour, v.minute, v.second, v.microsecond, v.tzinfo),
    dt.datetime: lambda v: (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.tzinfo),
    dt.timedelta: lambda v: (v.days, v.seconds, v.microseconds),
    dt.timezone: lambda v: v.__getinitargs__(),
    uuid.UUID: lambda v: (v.hex,),
    pathlib.PosixPath: lambda v: (str(v),),
    pathlib.PurePosixPath: lambda v: (str(v),),
    zoneinfo.ZoneInfo: lambda v: (v.key,),
    re.Pattern: lambda v: (v.pattern, v.flags),
}
"""Types whose objects are data through and through, and the arguments that make an equal one."""
_BY_NAME: dict[str, Any] = {kind.__name__: kind for kind in PARTS} | {"Pattern": re.compile, "memoryview": memoryview}
_PART_TYPES = frozenset({int, str, bytes, type(None), dt.timedelta, dt.timezone, zoneinfo.ZoneInfo})


_NANS = {"math.nan": "math", "numpy.nan": "numpy"}


class References(Protocol):
    """The maker and the reader of references; see `references.ObjectTable`.

    Attributes:
        looks: objects that have arrived as copies, and look into a container which is not here.
    """

    looks: list[Any]

    def refer(self, value: Any, encoder: "Encoder") -> Tree:
        """Return the tree of a value that is no plain data."""

    def resolve(self, tag: str, body: Any, decoder: "Decoder") -> Any:
        """Return the object of this side that such a tree names."""


def is_array(value: Any) -> bool:
    """Tell whether a value is an array of numpy's own class, with numbers, texts, times or objects in it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is getattr(numpy, "ndarray", None) and value.dtype.kind in "biufcSUMmO"


def is_numpy_scalar(value: Any) -> bool:
    """Tell whether a value is a number, a text or a time of numpy's."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value).__module__ != "numpy" or not hasattr(numpy, "generic"):
        return False
    return isinstance(value, numpy.generic) and value.dtype.kind in "biufcSUMm"


def _exact(value: Any) -> Any:
    """Return an array or a scalar of numpy as it may cross.

    A number less precise than `float` becomes a double where it might pass for other numbers: numpy rounds the number
    that it compares with, so that an infinite `float16` equals everything above 65504.
    """
    import numpy as np

    dtype = value.dtype
    doubles = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}.get(dtype.kind)
    if doubles is None or dtype.itemsize >= doubles.itemsize:
        return value
    might_pass_for_others = dtype.newbyteorder("=") == np.float16 or np.isinf(value).any()
    return value.astype(doubles) if might_pass_for_others else value


def _bytes_of(value: Any) -> tuple[str, str]:
    """Return the type and the bytes, as hexadecimal digits, of an array or a scalar of numpy."""
    value = _exact(value)
    return value.dtype.str, value.tobytes().hex()


def _scalar_parts(value: Any) -> list[str]:
    # A text of numpy's is one of Python's, with the zeros at its end that an array would lose.
    if value.dtype.kind == "U":
        return ["U", str.__str__(value)]
    if value.dtype.kind == "S":
        return ["S", bytes.hex(value)]
    return [*_bytes_of(value)]


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
        self, references: References, known: dict[int, int] | None = None, first: int = 0, *, tag_ints: bool = False
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
        if kind in _REFILL or is_array(value):
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
        if kind in _VIEWS:
            return {"v": [_VIEWS[kind], [self.tree(item) for item in value]]}
        if is_numpy_scalar(value):
            tree = {"n": _scalar_parts(value)}
            return tree if value == value else self._nan(value, tree)  # noqa: PLR0124 - nan, NaT
        return self._references.refer(value, self)

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
        if kind is types.SimpleNamespace:
            return {"S": self._pairs(vars(value))}
        if kind is array.array:
            return {"r": [value.typecode, value.tobytes().hex()]}
        if kind in _REFILL:
            factory = value.default_factory if kind is collections.defaultdict else None
            return {"D": [kind.__name__, self.tree(factory), self._pairs(value)]}
        if value.dtype.kind == "O":
            return {"a": ["O", list(value.shape), self._items(value.ravel().tolist())]}
        dtype, data = _bytes_of(value)
        return {"a": [dtype, list(value.shape), data]}


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
        references: References,
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
                return self._scalar(*body)
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
        kind = _BY_NAME[name]
        if kind is not slice and not all(type(part) in _PART_TYPES for part in parts):
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
        else:
            view = dict(held).items() if name == "items" else dict.fromkeys(held).keys()
        self._references.looks.append(view)
        return view

    def _scalar(self, dtype: str, data: str) -> Any:
        import numpy as np

        if dtype == "U":
            return np.str_(data)
        if dtype == "S":
            return np.bytes_(bytes.fromhex(data))
        return self._array(dtype, [1], data)[0]

    def _new_array(self, dtype: str, shape: list[int], data: Any) -> Any:
        import numpy as np

        if dtype == "O" and math.prod(shape) != len(data):
            raise ValueError("no such array")  # an array of any size could be asked for
        made = np.empty(shape, dtype=object) if dtype == "O" else self._array(dtype, shape, data)
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

    def _array(self, dtype: str, shape: list[int], data: str) -> Any:
        import numpy as np

        if not _DTYPE.fullmatch(dtype):
            raise ValueError("no such array")
        # What arrives obeys the rule of what is sent: somebody else may have written it.
        return _exact(np.frombuffer(bytearray.fromhex(data), dtype=dtype).reshape(shape))

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
        elif kind is types.SimpleNamespace:
            pairs = self._pairs(body)
            vars(container).clear()
            for key, item in pairs:
                setattr(container, key, item)
        elif kind is array.array:
            container[:] = array.array(body[0], bytes.fromhex(body[1]))
        elif body[0] == "O":
            if list(container.shape) == body[1]:
                self._fill_objects(container, body[2])
        else:
            changed = self._array(*body)
            if changed.shape == container.shape:
                container[...] = changed


_REFILL = frozenset(
    {list, dict, set, collections.deque, bytearray, array.array, types.SimpleNamespace, *MAPPINGS.values()}
)
_EMPTY: dict[str, Callable[[Any], Any]] = {
    "d": lambda _: {},
    "s": lambda _: set(),
    "q": lambda body: collections.deque(maxlen=body[0]),
    "B": lambda _: bytearray(),
    "S": lambda _: types.SimpleNamespace(),
    "r": lambda body: array.array(body[0]),
    "D": lambda body: MAPPINGS[body[0]](),
}
