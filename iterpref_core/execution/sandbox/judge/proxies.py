"""Proxies: objects, classes and exceptions of the other side, as they appear on this one.

A proxy has a handle, the number by which its own side knows the object. All that is done to a proxy is done there, over
the connection: attributes, calls, iteration, operators. For each class of the other side there is one here with the
same name and bases, so that `isinstance` and `except` mean the same.

On the judge's side an object that a *function* returned never equals a plain value and never computes with one: a
program could answer any comparison as it likes. An object of a class that the *test* called is itself under test:
`Vector(1, 2) == (1, 2)` asks it, and asks it about other values too. When a function returns it, it is under test no
longer: `s.push(1) == 4` with a `push` that returns `s`.
"""

import builtins
import collections
import dataclasses
import enum
import random
import sys
import types
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ...codec.arrays import is_array

_ARITHMETIC = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul"),
    *("lshift", "rshift", "and", "or", "xor"),
)
_COMPARISON = ("eq", "ne", "lt", "le", "gt", "ge")
_OTHER = (
    *("call", "iter", "next", "len", "getitem", "setitem", "delitem", "contains", "reversed", "length_hint"),
    *("enter", "exit", "aenter", "aexit", "aiter", "anext", "await"),
    *("bool", "int", "float", "complex", "index", "neg", "pos", "abs", "invert", "round", "trunc", "floor", "ceil"),
    *("hash", "str", "repr", "format", "bytes", "fspath", "copy", "deepcopy"),
    *("get", "set", "delete", "set_name"),
)
_ORDER = frozenset({"__lt__", "__le__", "__gt__", "__ge__"})
OPERATORS = frozenset(
    {f"__{prefix}{name}__" for name in _ARITHMETIC for prefix in ("", "r", "i")}
    | {f"__{name}__" for name in _COMPARISON}
)
"""Methods that compare or compute with another value."""
_COMPUTES = OPERATORS - frozenset(f"__{name}__" for name in _COMPARISON)
_CONVERTS = frozenset(
    f"__{name}__"
    for name in ("bool", "int", "float", "complex", "index", "round", "trunc", "floor", "ceil", "abs", "bytes")
)
PROTOCOL = OPERATORS | frozenset(f"__{name}__" for name in _OTHER)
"""Methods of a class that its proxy has too."""
DECIDES_FOR_LIBRARIES = frozenset(
    {f"__array_{name}__" for name in ("function", "ufunc", "wrap", "prepare", "finalize", "interface", "struct")}
    | {"__torch_function__", "__torch_dispatch__", "__cuda_array_interface__"}
)
"""Attributes by which an object says what a function of numpy's returns, or at which address its numbers are.

With them a program could decide `np.array_equal(f(), [4])`, and have the judge read the judge's own memory. What an
object holds crosses by `__array__`.
"""


class Proxy:
    """An object of the other side; the classes of such objects derive from this one."""

    __slots__ = ("__weakref__", "iterpref_computed", "iterpref_handle", "iterpref_made")
    iterpref_connection: Any = None

    def __getattr__(self, name: str) -> Any:
        # An object that was computed with a value of the test is no array, as it is no number.
        if name.startswith(("_iterpref", "iterpref_")) or (name == "__array__" and self.iterpref_computed):
            raise AttributeError(name)
        return self.iterpref_connection.ask("getattr", self.iterpref_handle, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.iterpref_connection.ask("setattr", self.iterpref_handle, name, (value,))

    def __delattr__(self, name: str) -> None:
        self.iterpref_connection.ask("delattr", self.iterpref_handle, name)

    def __dir__(self) -> Any:
        return self.iterpref_connection.ask("dir", self.iterpref_handle)

    def __str__(self) -> str:
        return _text(self, "__str__")

    def __repr__(self) -> str:
        return _text(self, "__repr__")

    def __format__(self, how: str) -> str:
        return _text(self, "__format__", how)

    def __copy__(self) -> Any:
        return self.iterpref_connection.ask("copy", self.iterpref_handle)

    def __deepcopy__(self, _memo: Any) -> Any:
        return self.iterpref_connection.ask("deepcopy", self.iterpref_handle)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        if not self.iterpref_connection.is_judge:
            raise TypeError(f"cannot pickle {type(self).__name__!r} object")
        # The program pickles the object, and makes another one of what it has written: here, those are only bytes.
        made = self.iterpref_connection.unpickled
        setattr(builtins, made.__name__, made)
        return made, (self.iterpref_connection.ask("pickled", None, "", (self,)),)


def _text(self: Any, name: str, *args: str) -> str:
    if self.iterpref_computed:
        return f"<{type(self).__name__}>"
    return str(self.iterpref_connection.ask("op", self.iterpref_handle, name, args))


_own_dict = type.__dict__["__dict__"].__get__


def _missing(name: str) -> Any:
    raise AttributeError(name)


def _of_class(name: str) -> property:
    def ask(cls: Any) -> Any:
        own = _own_dict(cls)
        if "iterpref_class" not in own:
            return own if name == "__dict__" else _missing(name)
        if name == "__signature__":
            return cls.iterpref_connection.signature(cls.iterpref_class)
        return cls.iterpref_connection.ask("getattr", cls.iterpref_class, name)

    return property(ask)


class ProxyClass(type):
    """The class of the classes that stand for those of the other side; a call makes an object there."""

    iterpref_connection: Any
    iterpref_class: int
    __dict__ = _of_class("__dict__")  # type: ignore[misc]

    def __call__(cls, *args: Any, **named: Any) -> Any:
        """Have an object made there."""
        made = cls.iterpref_connection.ask("call", cls.iterpref_class, "", args, named)
        # `Vector(1, 2)` in a test is under test and may say what it equals. With `make = Vector` in the solution the
        # object of `make(1, 2)` may not: a test calls functions by names in small letters.
        if isinstance(made, Proxy):
            object.__setattr__(made, "iterpref_made", cls.iterpref_connection.is_under_test(cls))
        return made

    def __getattr__(cls, name: str) -> Any:
        if name.startswith(("_iterpref", "iterpref_")):
            raise AttributeError(name)
        return cls.iterpref_connection.ask("getattr", cls.iterpref_class, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        cls.iterpref_connection.ask("setattr", cls.iterpref_class, name, (value,))

    def __bool__(cls) -> bool:
        return True

    def __len__(cls) -> int:
        return int(cls._of_metaclass("__len__"))

    def __contains__(cls, item: Any) -> bool:
        return bool(cls._of_metaclass("__contains__", item))

    def __iter__(cls) -> Any:
        return cls._of_metaclass("__iter__")

    def __getitem__(cls, item: Any) -> Any:
        try:
            return cls.iterpref_connection.ask("op", cls.iterpref_class, "__getitem__", (item,))
        except AttributeError:
            return cls.__class_getitem__(item)

    def __dir__(cls) -> Any:
        return cls.iterpref_connection.ask("dir", cls.iterpref_class)

    def _of_metaclass(cls, name: str, *args: Any) -> Any:
        try:
            return cls.iterpref_connection.ask("op", cls.iterpref_class, name, args)
        except AttributeError:
            raise TypeError(f"type object {cls.__name__!r} has no {name}") from None

    def __instancecheck__(cls, value: Any) -> bool:
        if type.__instancecheck__(cls, value):
            return True
        if not isinstance(type(value), ProxyClass):
            return False
        return bool(cls.iterpref_connection.ask("isinstance", cls.iterpref_class, "", (value,)))

    def __subclasscheck__(cls, other: type) -> bool:
        if type.__subclasscheck__(cls, other):
            return True
        return isinstance(other, ProxyClass) and bool(
            cls.iterpref_connection.ask("issubclass", cls.iterpref_class, "", (other,))
        )


for _name in ("__slots__", "__annotations__", "__signature__"):
    type.__setattr__(ProxyClass, _name, _of_class(_name))


class ProxyExceptionClass(type):
    """The class of the exception classes of the other side."""

    iterpref_connection: Any
    iterpref_class: int

    def __call__(cls, *args: Any, **named: Any) -> Any:
        """Have an exception made there."""
        return cls.iterpref_connection.ask("call", cls.iterpref_class, "", args, named)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith(("_iterpref", "iterpref_")):
            raise AttributeError(name)
        return cls.iterpref_connection.ask("getattr", cls.iterpref_class, name)


# A test that asks for the class of a class is told `type`, as in plain Python.
for _kind in (ProxyClass, ProxyExceptionClass):
    type.__setattr__(_kind, "__name__", "type")
    type.__setattr__(_kind, "__qualname__", "type")

KEEPS_ITSELF = frozenset({"__enter__", "__aenter__", "__iter__", "__aiter__"}) | {
    f"__i{name}__" for name in _ARITHMETIC
}
"""Methods whose result may be the object itself without being one that a function returned."""


def _forwarded(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **named: Any) -> Any:
        if name in _CONVERTS and self.iterpref_computed:
            raise TypeError(f"a {type(self).__name__} that was computed with a value of the test is no plain value")
        said = self.iterpref_connection.ask("op", self.iterpref_handle, name, args, named)
        if name in ("__exit__", "__aexit__"):
            self.iterpref_connection.note_exit(name, args, said)
        return said

    method.__name__ = name
    return method


def _operator(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        if not all(self.iterpref_connection.may_decide(self, other) for other in args):
            # With an array numpy computes here, with the numbers that the object held before.
            may_compute = name in _COMPUTES and not any(is_array(other) for other in args)
            return _computed(self, name, args) if may_compute else NotImplemented
        if self.iterpref_computed or any(getattr(other, "iterpref_computed", False) for other in args):
            return (
                _computed(self, name, args)
                if name in _COMPUTES
                else self.iterpref_connection.ask("op", self.iterpref_handle, name, args)
            )
        decoys = decoys_of(name, args[0]) if self.iterpref_connection.is_judge and len(args) == 1 else []
        if decoys:
            return _compared(self, name, args[0], decoys)
        return self.iterpref_connection.ask("op", self.iterpref_handle, name, args)

    method.__name__ = name
    return method


def _method(name: str) -> Callable[..., Any]:
    return _operator(name) if name in OPERATORS else _forwarded(name)


def _computed(self: Any, name: str, args: tuple[Any, ...]) -> Any:
    """Have a returned object compute with a value of the test's, if an object results.

    In `sum(wallet()) == Money(7)` that is right. In `abs(f(2) - 4) < 0.1` the program has seen the 4, and whatever it
    says now says nothing: such an object is no number, truth value or text, and compares with objects alone.
    """
    result = self.iterpref_connection.ask("op", self.iterpref_handle, name, args)
    if not isinstance(result, Proxy):
        return NotImplemented
    object.__setattr__(result, "iterpref_computed", True)
    return result


def _compared(self: Any, name: str, value: Any, decoys: list[Any]) -> Any:
    """Have an object under test compare itself with a value; one that says the same of all values says nothing."""
    # Whoever answers does not know which of the values is the test's.
    order = [value, *decoys]
    places = list(range(len(order)))
    random.SystemRandom().shuffle(places)
    said: dict[int, Any] = {}
    for place in places:
        try:
            said[place] = self.iterpref_connection.ask("op", self.iterpref_handle, name, (order[place],))
        except Exception:
            if place == 0:
                raise
    right = said.pop(0)
    if right is NotImplemented or _is_true(right) is (name == "__ne__"):
        return right
    says_the_same = [other is not NotImplemented and _is_true(other) is _is_true(right) for other in said.values()]
    lies = all(says_the_same) if name in _ORDER else any(says_the_same)
    return NotImplemented if lies else right


def _is_true(said: Any) -> bool:
    # An array of several answers has no truth value of its own.
    return bool(said.all()) if is_array(said) else bool(said)


def _is_equal(decoy: Any, value: Any) -> bool:
    try:
        return _is_true(decoy == value)
    except Exception:  # noqa: BLE001 - an array of rows compares with rows alone, a class of the test with its own
        return False


def decoys_of(name: str, value: Any) -> list[Any]:
    """Return values of which an object says something else than of a plain value, if it compares at all.

    An object that equals the value equals none of them, and none is less than both of the extremes.
    """
    kind = type(value)
    if name in _ORDER:
        extremes: dict[type, list[Any]] = {
            int: [-(10**30), 10**30],
            float: [-1e300, 1e300],
            str: ["", chr(sys.maxunicode) * 9],
            Decimal: [Decimal(-(10**30)), Decimal(10**30)],
            Fraction: [Fraction(-(10**30)), Fraction(10**30)],
        }
        return extremes.get(kind, [])
    is_of_program = kind in (ProxyClass, ProxyExceptionClass) or isinstance(kind, ProxyClass | ProxyExceptionClass)
    if name not in ("__eq__", "__ne__") or is_of_program:
        return []
    return [decoy for decoy in _others(value) if not _is_equal(decoy, value)]


def _others(value: Any) -> list[Any]:
    kind = type(value)
    # Whoever equals these too, and a value of any other kind, equals everything.
    decoys: list[Any] = ["~", 7919]
    if kind is bool:
        decoys = [not value]
    elif kind in (int, float, complex, Fraction):
        decoys = [value + 1, value - 1, -value - 7]
    elif kind is Decimal:
        decoys = [Decimal(7919), Decimal(-7), Decimal("0.7")]
    elif kind is bytes or kind is bytearray:
        decoys = [value + b"~", b"~" + value, value + value + b"!"]
    elif kind is str:
        decoys = [value + "~", "~" + value, value + value + "!"]
    elif kind is list or kind is tuple:
        more = kind(["~"])
        decoys = [value + more, more + value, value + value + more]
    elif kind is dict:
        decoys = [{**value, "~": 0}, {**value, 7919: None}]
    elif kind is set or kind is frozenset:
        decoys = [value | {"~"}, value | {7919}]
    elif value is None:
        decoys = [0, ""]
    return decoys


def _contains(self: Any, item: Any) -> bool:
    """Ask the object where it may decide; else look for an equal item among those it gives."""
    if self.iterpref_connection.may_decide(self, item):
        return bool(self.iterpref_connection.ask("op", self.iterpref_handle, "__contains__", (item,)))
    return any(item is other or item == other for other in iter(self))


def _await(self: Any) -> Any:
    return self.iterpref_connection.drive(self)


def _driver(self: Any) -> Any:
    drivers = self.iterpref_connection.drivers
    if self.iterpref_handle not in drivers:
        drivers[self.iterpref_handle] = self.iterpref_connection.drive(self)
    return drivers[self.iterpref_handle]


def _close(self: Any) -> None:
    driver = self.iterpref_connection.drivers.pop(self.iterpref_handle, None)
    if driver is not None:
        driver.close()
    else:
        self.iterpref_connection.ask("op", self.iterpref_handle, "close")


_COROUTINE_METHODS: dict[str, Callable[..., Any]] = {
    "send": lambda self, value: _driver(self).send(value),
    "throw": lambda self, *error: _driver(self).throw(*error),
    "close": _close,
}


def _len(self: Any) -> int:
    said = self.iterpref_connection.ask("op", self.iterpref_handle, "__len__")
    self.iterpref_connection.measured.add(self.iterpref_handle)
    return int(said)


def _iter(self: Any) -> Any:
    items = self.iterpref_connection.ask("op", self.iterpref_handle, "__iter__")
    if not self.iterpref_connection.is_judge or self.iterpref_handle not in self.iterpref_connection.measured:
        return items
    return _counted(self, items)


def _counted(self: Any, items: Any) -> Any:
    """Give the items of an object whose length the test knows, and see that there are so many."""
    before = len(self)
    count = 0
    for item in items:
        count += 1
        yield item
    if count < min(before, len(self)):
        raise AssertionError(f"a {type(self).__name__} of length {before} gives {count} items")


_OWN = {"__await__": _await, "__contains__": _contains, "__len__": _len, "__iter__": _iter}
_ALWAYS = frozenset({"__str__", "__repr__", "__format__", "__copy__", "__deepcopy__"})


def make_class(
    connection: Any, handle: int, facts: dict[str, Any], bases: tuple[type, ...], shared: type | None = None
) -> type:
    """Make the class that stands for one of the other side.

    Args:
        connection: that it belongs to.
        handle: of the class there.
        facts: see `connection.Connection.describe`; they may be hostile, and are used as names only.
        bases: the proxies of its bases.
        shared: the class itself, if both sides have it: `isinstance(f, types.FunctionType)`.
    """
    methods = [name for name in facts["methods"] if name in PROTOCOL and name not in _ALWAYS]
    body: dict[str, Any] = {
        "__slots__": (),
        "__module__": str(facts["module"]),
        "__doc__": facts["doc"],
        "iterpref_connection": connection,
        "iterpref_class": handle,
    }
    for name in methods:
        body[name] = _OWN[name] if name in _OWN else _method(name)
    if "__init__" in facts["methods"]:
        body["__init__"] = _Initializer(connection, handle)
    if "__eq__" in methods and "__hash__" not in methods:
        body["__hash__"] = None  # as Python has it for a class that compares and cannot be hashed
    if shared is not None:
        body["__class__"] = property(lambda _: shared)
    if facts["function"] or shared is property:
        body["__doc__"] = property(lambda self: connection.ask("getattr", self.iterpref_handle, "__doc__"))
    if facts["coroutine"]:
        body |= _COROUTINE_METHODS
    if facts["function"]:
        if facts["name"] == "function":
            body["__get__"] = _bound
        body["__annotations__"] = property(
            lambda self: connection.ask("getattr", self.iterpref_handle, "__annotations__")
        )
        body["__signature__"] = property(lambda self: connection.signature(self.iterpref_handle))
    made = ProxyClass(str(facts["name"]), bases or (Proxy,), body)
    type.__setattr__(made, "__qualname__", str(facts["qualname"]))
    if facts["fields"] is not None:
        _give_fields(made, facts["fields"])
    return made


class _Initializer:
    """The `__init__` of a class of the other side, where Python would find that of `object` here."""

    def __init__(self, connection: Any, handle: int) -> None:
        self._connection = connection
        self._handle = handle

    def __get__(self, owner: Any, _kind: Any = None) -> Any:
        handle = self._handle if owner is None else owner.iterpref_handle
        return self._connection.ask("getattr", handle, "__init__")


def _give_fields(made: Any, fields: list[str]) -> None:
    """Give a class the fields of a data class, with which `dataclasses.asdict` and `match` work on its objects."""
    blank: Any = dataclasses.make_dataclass("Fields", fields)
    type.__setattr__(made, "__dataclass_fields__", blank.__dataclass_fields__)
    type.__setattr__(made, "__match_args__", tuple(fields))


def _bound(self: Any, owner: Any, _kind: Any = None) -> Any:
    """Bind a function to an object, as Python does for one that a class has."""
    return self if owner is None else types.MethodType(self, owner)


def make_object(kind: type, handle: int) -> Proxy:
    """Make the proxy of an object of a class."""
    made: Proxy = object.__new__(kind)
    object.__setattr__(made, "iterpref_handle", handle)
    object.__setattr__(made, "iterpref_made", False)
    object.__setattr__(made, "iterpref_computed", False)
    return made


OF_EXCEPTIONS = frozenset({"__eq__", "__hash__", "__repr__", "__bool__", "__len__", "__iter__", "__getitem__"})
"""Methods of a class of exceptions that are asked for where it has its own."""


def _of_exception(connection: Any, name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        seen = self.__dict__.get("_iterpref")
        if seen is None:  # it was made here, by `copy`
            return getattr(BaseException, name)(self, *args)
        return connection.ask("op", seen[0], name, args)

    method.__name__ = name
    return method


def make_exception_class(connection: Any, handle: int, facts: dict[str, Any], bases: tuple[type, ...]) -> type:
    """Make the class that stands for a class of exceptions; its bases end in a builtin one."""

    def attribute(self: BaseException, name: str) -> Any:
        seen = self.__dict__.get("_iterpref")
        if seen is None or name.startswith(("_iterpref", "iterpref_")):
            raise AttributeError(name)
        return connection.ask("getattr", seen[0], name)

    def text(self: BaseException) -> str:
        seen = self.__dict__.get("_iterpref")
        return BaseException.__str__(self) if seen is None else str(seen[1])

    def equal(self: BaseException, other: Any) -> Any:
        # Exceptions decide about exceptions, and about no plain value.
        if type(type(other)) is not ProxyExceptionClass or "_iterpref" not in self.__dict__:
            return NotImplemented
        return connection.ask("op", self.__dict__["_iterpref"][0], "__eq__", (other,))

    body: dict[str, Any] = {
        "__module__": str(facts["module"]),
        "__doc__": facts["doc"],
        "__getattr__": attribute,
        "__str__": text,
        "iterpref_connection": connection,
        "iterpref_class": handle,
    }
    if "__eq__" in facts["methods"]:
        body |= {"__eq__": equal, "__hash__": BaseException.__hash__}
    for name in facts["methods"]:
        if name in OF_EXCEPTIONS and name != "__eq__":
            body[name] = _of_exception(connection, name)
    return ProxyExceptionClass(str(facts["name"]), bases or (Exception,), body)


_ENUMS: dict[str, Any] = {
    kind.__name__: kind for kind in (enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag, enum.IntFlag)
}
_MIXINS: dict[str, type] = {"int": int, "str": str, "float": float, "bytes": bytes, "tuple": tuple}


def make_enum(connection: Any, handle: int, facts: dict[str, Any], members: list[tuple[str, Any]]) -> Any:
    """Make an enumeration with the members of the other side's: data, which compares by itself."""
    mixin = _MIXINS.get(facts["mixin"])
    options: dict[str, Any] = {} if mixin is None else {"type": mixin}
    kind: Any = _ENUMS[facts["enum"]]
    made: Any = kind(
        str(facts["name"]),
        members,
        module=str(facts["module"]),
        qualname=str(facts["qualname"]),
        **options,
    )
    type.__setattr__(made, "__getattr__", _asked_for(connection, handle))
    for name in facts["methods"]:
        type.__setattr__(made, name, _of_member(connection, handle, name))
    if facts["missing"]:
        made._missing_ = classmethod(lambda _, value: connection.ask("call", handle, "", (value,)))
    _give_attributes(made, connection, handle, facts)
    return made


TEXTS = frozenset({"__str__", "__repr__", "__format__"})
OF_MEMBERS = TEXTS | frozenset(f"__{name}__" for name in ("lt", "le", "gt", "ge", "call", "len", "iter", "bool"))
"""Special methods of an enumeration that are asked for where it has its own; of a plain value's, the texts alone."""


def _of_member(connection: Any, handle: int, name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        # Members decide about members, and about no plain value.
        if name in _ORDER and not all(type(other) is type(self) for other in args):
            return NotImplemented
        return connection.ask("member", handle, name, (self,))(*args)

    method.__name__ = name
    return method


class _Asked:
    """An attribute of a class that is data here: a method of the other side's is called there."""

    def __init__(self, connection: Any, handle: int, name: str) -> None:
        self._connection = connection
        self._handle = handle
        self._name = name

    def __get__(self, owner: Any, _kind: Any = None) -> Any:
        if owner is None:
            return self._connection.ask("getattr", self._handle, self._name)
        return self._connection.ask("member", self._handle, self._name, (owner,))


def _give_attributes(made: Any, connection: Any, handle: int, facts: dict[str, Any]) -> None:
    type.__setattr__(made, "__annotations__", _Asked(connection, handle, "__annotations__"))
    for name in facts["attributes"]:
        if not hasattr(made, name):
            type.__setattr__(made, name, _Asked(connection, handle, name))


def _asked_for(connection: Any, handle: int) -> Callable[[Any, str], Any]:
    """Return the `__getattr__` of a class that is data here: a method of the other side's is called there."""

    def attribute(self: Any, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return connection.ask("member", handle, name, (self,))

    return attribute


def make_namedtuple(connection: Any, handle: int, facts: dict[str, Any], defaults: list[Any]) -> Any:
    """Make a named tuple with the fields and defaults of the other side's; methods it has besides are asked for."""
    fields = [str(field) for field in facts["fields"]]
    name = str(facts["name"])
    module = str(facts["module"])
    made: Any = collections.namedtuple(name, fields, rename=True, module=module, defaults=defaults)  # type: ignore[misc]
    type.__setattr__(made, "__getattr__", _asked_for(connection, handle))
    made.__doc__ = facts["doc"]
    _give_attributes(made, connection, handle, facts)
    return made


def enum_facts(kind: type) -> dict[str, Any] | None:
    """Describe an enumeration that is data: its base among Python's own, and the plain type that it mixes in."""
    of_enum = [cls.__name__ for cls in kind.__mro__ if cls.__module__ == "enum"]
    pythons_own = [name for name in of_enum if name in _ENUMS]
    if not pythons_own or not kind.__dict__.get("_member_map_"):
        return None
    # Of `class Color(IntEnum)` that is IntEnum, before Enum.
    base = pythons_own[0]
    mixin = ""
    mixed = [cls.__name__ for cls in kind.__mro__ if cls in _MIXINS.values()]
    if mixed and base in ("Enum", "Flag"):
        mixin = mixed[0]
    own: set[str] = set()
    for cls in kind.__mro__[: -1 if not of_enum else kind.__mro__.index(enum.Enum)]:
        if cls.__module__ != "enum" and cls not in _MIXINS.values():
            own.update(vars(cls))
    methods = own & (TEXTS if mixed else OF_MEMBERS)
    return {"enum": base, "mixin": mixin, "methods": sorted(methods), "missing": "_missing_" in own}


_NAMEDTUPLE_OWN = frozenset(vars(collections.namedtuple("Fields", "x"))) | {
    "__orig_bases__", "__annotations__", "__static_attributes__", "__firstlineno__", "__weakref__", "__dict__",
    "__parameters__",
}  # fmt: skip


def is_namedtuple(kind: type) -> bool:
    """Tell whether objects of a class are named tuples, with no special method of their own."""
    if not issubclass(kind, tuple) or not isinstance(getattr(kind, "_fields", None), tuple):
        return False
    for base in kind.__mro__:
        if base is tuple:
            return True
        names = vars(base).keys() - _NAMEDTUPLE_OWN
        if any(name.startswith("__") and name not in ("__str__", "__repr__", "__format__") for name in names):
            return False
    return False


SHOWN: frozenset[Any] = frozenset(
    {
        *(map, filter, zip, enumerate, reversed, property, staticmethod, classmethod, super, memoryview),
        *(types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.GeneratorType, types.CoroutineType),
        *(types.AsyncGeneratorType, types.MappingProxyType, types.CodeType, types.MethodWrapperType),
    }
)
"""Classes of both sides that a proxy's `__class__` may name: none is data, or compares with any."""
FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)
