"""Proxies: objects of the program, by which a test uses what stays in the program's process.

An object that is no plain data crosses as a number, its handle. Whatever is done to its proxy is done to the object, by
a function of Python's that has a name (`OPERATIONS`): for `stack[1]` the judge asks for `getitem`, for `stack.size` for
`getattr`. For each class of the program there is one here with its name, so that `isinstance` and `except` work.

**An object never decides about a plain value of the test.** Compared with one, it is asked for the plain value that it
holds (`class Money(int)`), and never told the other. Among themselves the program's objects decide.
"""

import builtins
import copy
import operator
from collections.abc import Callable
from typing import Any

from ...codec.canonical import held_by
from ...codec.plain import UnencodableError

_BINARY = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and_", "or_", "xor"),
    "divmod",
)
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_ASKED = (
    *("next", "len", "hash", "abs", "neg", "pos", "invert", "index", "reversed", "getitem", "setitem", "delitem"),
    *("int", "float", "round", "str", "repr", "format", "delattr", "setattr", "copy"),
)
"""Operations that are always the object's, and are given plain values."""
_OF_CLASSES = ("iter", "len", "contains", "getitem", "setattr")


def held(value: Any) -> Any:
    """Return the plain value that an object of a subclass of a plain type holds.

    Raises:
        TypeError: it holds none.
    """
    try:
        return held_by(value)
    except UnencodableError as error:
        raise TypeError(str(error)) from None


def _function(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(builtins, name, None) or getattr(operator, name)
    return function


OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: _function(name) for name in (*_BINARY, *_COMPARISONS, *_ASKED, "iter", "getattr") if name != "copy"},
    **{name: _function(name) for name in ("isinstance", "issubclass", "contains", "bool")},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "held": held,
    "has_length": lambda value: hasattr(type(value), "__len__"),
    "call": lambda called, *args, **named: called(*args, **named),
}
"""All that a judge asks a program to do with values, by name."""


class Conversation:
    """The judge's end of the one conversation of this process, as proxies use it.

    Attributes:
        ask: has the program do something; see `peer.Judge.ask`.
    """

    ask: Callable[..., Any]


def _asks(name: str) -> Callable[..., Any]:
    return lambda self, *args: Conversation.ask(name, self, *args)


def is_theirs(value: Any) -> bool:
    """Tell whether a value is an object or a class of the program's."""
    return isinstance(type(value), ProxyClass) or type(value) is ProxyClass


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute of the program's object; of special ones only those that say what it is called.

    Libraries look for others. numpy would read the memory that an object names by `__array_interface__`.

    Raises:
        AttributeError: it has none, or a special one.
    """
    is_special = name.startswith("__") and name not in ("__name__", "__qualname__")
    if is_special or name.startswith(("iterpref_", "_iterpref")):
        raise AttributeError(name)
    return Conversation.ask("getattr", value, name)


class Proxy:
    """An object of the program; the classes of such objects derive from this one."""

    __slots__ = ("iterpref_handle",)
    __getattr__ = _attribute

    def __iter__(self) -> Any:
        iterator = Conversation.ask("iter", self)
        if not Conversation.ask("has_length", self):
            return iterator
        # `len(f(3)) == 3`, and a loop over the items with those that are expected: it must not be shorter.
        length = Conversation.ask("len", self)
        items = list(iterator)
        if len(items) < length:
            raise TypeError(f"{type(self).__name__!r} object has fewer items than its length")
        return iter(items)

    def __bool__(self) -> bool:
        try:
            return bool(Conversation.ask("held", self))
        except TypeError:
            return bool(Conversation.ask("bool", self))

    def __contains__(self, item: Any) -> bool:
        if is_theirs(item):
            return bool(Conversation.ask("contains", self, item))
        return any(item is other or item == other for other in iter(self))

    def __deepcopy__(self, _memo: Any) -> Any:
        return Conversation.ask("deepcopy", self)


class CallableProxy(Proxy):
    """An object that can be called."""

    __slots__ = ()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Have it called there."""
        return Conversation.ask("call", self, *args, **named)


def _computed(name: str, *, swapped: bool = False) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        if is_theirs(other):
            return Conversation.ask(name, other, self) if swapped else Conversation.ask(name, self, other)
        # The object is told of no value of the test: what it holds is computed with here.
        try:
            own = Conversation.ask("held", self)
        except TypeError:
            return NotImplemented
        return OPERATIONS[name](other, own) if swapped else OPERATIONS[name](own, other)

    return method


for _name in _ASKED:
    setattr(Proxy, f"__{_name}__", _asks(_name))
for _name in (*_COMPARISONS, *_BINARY):
    setattr(Proxy, f"__{_name.rstrip('_')}__", _computed(_name))
for _name in _BINARY:
    setattr(Proxy, f"__r{_name.rstrip('_')}__", _computed(_name, swapped=True))


class ProxyClass(type):
    """The class of the classes that stand for those of the program; a call makes an object there."""

    iterpref_class: int
    __getattr__ = _attribute

    def __call__(cls, *args: Any, **named: Any) -> Any:
        """Have an object made there."""
        return Conversation.ask("call", cls, *args, **named)

    def __bool__(cls) -> bool:
        return True

    def __instancecheck__(cls, value: Any) -> bool:
        if type.__instancecheck__(cls, value):
            return True
        is_known = is_theirs(value) or "_iterpref" in getattr(value, "__dict__", ())
        return is_known and bool(Conversation.ask("isinstance", value, cls))

    def __subclasscheck__(cls, other: type) -> bool:
        if type.__subclasscheck__(cls, other):
            return True
        return isinstance(other, ProxyClass) and bool(Conversation.ask("issubclass", other, cls))


for _name in _OF_CLASSES:
    setattr(ProxyClass, f"__{_name}__", _asks(_name))


class ErrorClass(type):
    """The class of the classes that stand for exceptions of the program; a call makes one there."""

    iterpref_class: int

    def __call__(cls, *args: Any, **named: Any) -> Any:
        """Have an exception made there."""
        return Conversation.ask("call", cls, *args, **named)


def _error_attribute(error: BaseException, name: str) -> Any:
    if "_iterpref" not in error.__dict__:
        raise AttributeError(name)
    return _attribute(error, name)


def _equals(error: BaseException, other: Any) -> Any:
    return Conversation.ask("eq", error, other) if isinstance(type(other), ErrorClass) else error is other


def _text(error: BaseException) -> str:
    seen = error.__dict__.get("_iterpref")
    return BaseException.__str__(error) if seen is None else str(seen[1])


def proxy_class(handle: int, name: str, kind: Any, *, is_callable: bool) -> type:
    """Return the class of proxies for objects of one class.

    Args:
        handle: of the class.
        name: of the class.
        kind: a type of both sides that `isinstance` is to name; None if there is none.
        is_callable: the objects can be called.
    """
    body: dict[str, Any] = {"iterpref_class": handle, "__module__": "solution", "__slots__": ()}
    if kind is not None:
        body["__class__"] = property(lambda _: kind)
    return ProxyClass(name, (CallableProxy if is_callable else Proxy,), body)


def error_class(handle: int, name: str, bases: tuple[type, ...]) -> type:
    """Return the class that stands for one of the program's exceptions."""
    own = {"__getattr__": _error_attribute, "__str__": _text, "__eq__": _equals}
    asked = {f"__{name}__": _asks(name) for name in ("hash", "repr")}
    return ErrorClass(name, bases, {"iterpref_class": handle, "__module__": "solution"} | own | asked)
