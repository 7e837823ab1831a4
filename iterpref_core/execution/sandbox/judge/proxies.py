"""Proxies: objects of the other side, by which a test or a program uses what stays where it was made.

An object that is no plain data crosses as a number, its handle. Whatever is done to its proxy is done on its own side,
by a function of Python's that has a name (`OPERATIONS`): for `stack + 1` the judge asks for `add`, for `stack.size` for
`getattr`. For each class of the other side there is one here with its name, so that `isinstance` and `except` work.

**On the judge's side an object never decides about a plain value of the test.** Compared with one, it is asked for the
plain value that it holds (`class Money(int)`), and never told the other. An object that the test has made itself, by a
capitalized class, may compute with plain values, and say what it contains: `Vector(1, 2) * 2`, `"ab" in Trie()`. One
that a function returned may not. Where plain Python would let it, the test ends as `not judged`.
"""

import builtins
import copy
import operator
from collections.abc import Callable
from typing import Any

from ...codec.canonical import UnencodableError, held_by

_ARITHMETIC = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and_", "or_", "xor"),
    "divmod",
)
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_UNARY = ("iter", "next", "len", "hash", "abs", "neg", "pos", "invert", "index", "length_hint", "reversed")
_CONVERSIONS = ("bool", "int", "float", "complex", "bytes", "round", "str", "repr", "format")
_ITEMS = ("getitem", "setitem", "delitem")


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
    **{name: _function(name) for name in (*_ARITHMETIC, *_COMPARISONS, *_UNARY, *_CONVERSIONS, *_ITEMS)},
    **{f"i{name}": getattr(operator, f"i{name}".rstrip("_")) for name in _ARITHMETIC if name != "divmod"},
    **{name: _function(name) for name in ("getattr", "setattr", "delattr", "dir", "isinstance", "issubclass")},
    "contains": operator.contains,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "held": held,
    "defines": lambda value, name: getattr(type(value), name, None) is not getattr(object, name, None),
    "call": lambda called, *args, **named: called(*args, **named),
    "enter": lambda manager: type(manager).__enter__(manager),
    "exit": lambda manager, *error: type(manager).__exit__(manager, *error),
}
"""All that one side asks the other to do with values, by name."""


def _refuse(name: str) -> None:
    """Refuse attributes of this module, and those by which an object would say what a function of numpy's returns.

    Raises:
        AttributeError: `__array_function__`, or `__array_interface__`, which names an address to read.
    """
    if name.startswith(("iterpref_", "_iterpref", "__array_", "__torch", "__cuda")) and name != "__array__":
        raise AttributeError(name)


class Proxy:
    """An object of the other side; the classes of such objects derive from this one."""

    __slots__ = ("__weakref__", "iterpref_handle", "iterpref_made")
    iterpref_peer: Any = None

    def __getattr__(self, name: str) -> Any:
        _refuse(name)
        return self.iterpref_peer.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.iterpref_peer.ask("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        self.iterpref_peer.ask("delattr", self, name)

    def __dir__(self) -> Any:
        return self.iterpref_peer.ask("dir", self)

    def __iter__(self) -> Any:
        peer = self.iterpref_peer
        iterator = peer.ask("iter", self)
        if not peer.is_judge or self.iterpref_made or not peer.ask("defines", self, "__len__"):
            return iterator
        # `len(f(3)) == 3`, and a loop over the items with those that are expected: it must not be shorter.
        length = peer.ask("len", self)
        items = list(iterator)
        if len(items) < length:
            raise TypeError(f"{type(self).__name__!r} object has fewer items than its length")
        return iter(items)

    def __contains__(self, item: Any) -> bool:
        if self.iterpref_peer.may_compute(self, item):
            return bool(self.iterpref_peer.ask("contains", self, item))
        return any(item is other or item == other for other in iter(self))

    def __exit__(self, *error: Any) -> Any:
        if error[1] is not None:
            self.iterpref_peer.note_assertion(error[1])
        return self.iterpref_peer.ask("exit", self, *error)

    def __deepcopy__(self, _memo: Any) -> Any:
        return self.iterpref_peer.ask("deepcopy", self)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


_DOC = property(lambda self: self.iterpref_peer.ask("getattr", self, "__doc__"))


class CallableProxy(Proxy):
    """An object that can be called."""

    __slots__ = ()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Have it called there."""
        return self.iterpref_peer.ask("call", self, *args, **named)


def _held_by(proxy: Proxy) -> Any:
    """Return the plain value that an object holds; NotImplemented if there is none, or it is too deep to cross."""
    try:
        own = proxy.iterpref_peer.ask("held", proxy)
    except TypeError:
        return NotImplemented
    return NotImplemented if isinstance(own, Proxy) else own


def _asks(name: str) -> Callable[..., Any]:
    return lambda self, *args: self.iterpref_peer.ask(name, self, *args)


def _operator(name: str, *, swapped: bool = False) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        peer = self.iterpref_peer
        if peer.may_compute(self, other):
            result = peer.ask(name, other, self) if swapped else peer.ask(name, self, other)
            if isinstance(result, Proxy):
                object.__setattr__(result, "iterpref_made", self.iterpref_made)
            return result
        # The object is told of no value of the test: what it holds is computed with here.
        own = _held_by(self)
        if own is not NotImplemented:
            return OPERATIONS[name](other, own) if swapped else OPERATIONS[name](own, other)
        peer.give_up_if_defined(self, f"__{'r' if swapped else ''}{name.rstrip('_')}__", "computes")
        return NotImplemented

    return method


def _comparison(name: str) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        peer = self.iterpref_peer
        if peer.may_decide(other):
            return peer.ask(name, self, other)
        own = _held_by(self)
        if own is not NotImplemented:
            return OPERATIONS[name](own, other)
        if self.iterpref_made:
            peer.give_up_if_defined(self, f"__{name}__", "is compared")
        return NotImplemented

    return method


for _name in (*_UNARY, *_CONVERSIONS, *_ITEMS, "copy", "enter"):
    if _name != "iter":
        setattr(Proxy, f"__{_name}__", _asks(_name))
for _name in _COMPARISONS:
    setattr(Proxy, f"__{_name}__", _comparison(_name))
for _name in _ARITHMETIC:
    _dunder = _name.rstrip("_")
    setattr(Proxy, f"__{_dunder}__", _operator(_name))
    setattr(Proxy, f"__r{_dunder}__", _operator(_name, swapped=True))
    if _name != "divmod":
        setattr(Proxy, f"__i{_dunder}__", _operator(f"i{_name}"))


class ProxyClass(type):
    """The class of the classes that stand for those of the other side; a call makes an object there."""

    iterpref_peer: Any
    iterpref_class: int

    def __call__(cls, *args: Any, **named: Any) -> Any:
        """Have an object made there."""
        made = cls.iterpref_peer.ask("call", cls, *args, **named)
        if isinstance(made, Proxy):
            object.__setattr__(made, "iterpref_made", cls.iterpref_peer.is_under_test(cls))
        return made

    def __getattr__(cls, name: str) -> Any:
        _refuse(name)
        return cls.iterpref_peer.ask("getattr", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        cls.iterpref_peer.ask("setattr", cls, name, value)

    def __iter__(cls) -> Any:
        return cls.iterpref_peer.ask("iter", cls)

    def __len__(cls) -> int:
        return int(cls.iterpref_peer.ask("len", cls))

    def __bool__(cls) -> bool:
        return True

    def __contains__(cls, item: Any) -> bool:
        return bool(cls.iterpref_peer.ask("contains", cls, item))

    def __getitem__(cls, item: Any) -> Any:
        return cls.iterpref_peer.ask("getitem", cls, item)

    def __dir__(cls) -> Any:
        return cls.iterpref_peer.ask("dir", cls)

    def __instancecheck__(cls, value: Any) -> bool:
        if type.__instancecheck__(cls, value):
            return True
        is_theirs = isinstance(type(value), ProxyClass) or "_iterpref" in getattr(value, "__dict__", ())
        return is_theirs and bool(cls.iterpref_peer.ask("isinstance", value, cls))

    def __subclasscheck__(cls, other: type) -> bool:
        if type.__subclasscheck__(cls, other):
            return True
        return isinstance(other, ProxyClass) and bool(cls.iterpref_peer.ask("issubclass", other, cls))


# A test that asks for the class of a class is told `type`, as in plain Python.
type.__setattr__(ProxyClass, "__name__", "type")


def _attribute(error: BaseException, name: str) -> Any:
    _refuse(name)
    if "_iterpref" not in error.__dict__:
        raise AttributeError(name)
    return error.iterpref_peer.ask("getattr", error, name)  # type: ignore[attr-defined]


class ErrorClass(type):
    """The class of the classes that stand for exceptions of the other side; a call makes one there."""

    iterpref_peer: Any

    def __call__(cls, *args: Any, **named: Any) -> Any:
        """Have an exception made there."""
        return cls.iterpref_peer.ask("call", cls, *args, **named)


def _equals(error: BaseException, other: Any) -> Any:
    is_theirs = isinstance(type(other), ErrorClass)
    return error.iterpref_peer.ask("eq", error, other) if is_theirs else error is other  # type: ignore[attr-defined]


def _asks_of_error(name: str) -> Callable[[Any], Any]:
    return lambda error: error.iterpref_peer.ask(name, error)


def _text(error: BaseException) -> str:
    seen = error.__dict__.get("_iterpref")
    return BaseException.__str__(error) if seen is None else str(seen[1])


def proxy_class(peer: Any, handle: int, name: str, kind: Any, *, is_callable: bool) -> type:
    """Return the class of proxies for objects of one class.

    Args:
        peer: the side's end of the conversation.
        handle: of the class.
        name: of the class.
        kind: a type of both sides that `isinstance` is to name; None if there is none.
        is_callable: the objects can be called.
    """
    body = {"iterpref_peer": peer, "iterpref_class": handle, "__module__": "solution", "__slots__": (), "__doc__": _DOC}
    if kind is not None:
        body["__class__"] = property(lambda _: kind)
    return ProxyClass(name, (CallableProxy if is_callable else Proxy,), body)


def error_class(peer: Any, handle: int, name: str, bases: tuple[type, ...]) -> type:
    """Return the class that stands for one of the other side's exceptions."""
    body = {"iterpref_peer": peer, "iterpref_class": handle, "__module__": "solution"}
    asked = {f"__{name}__": _asks_of_error(name) for name in ("hash", "repr")}
    own = {"__getattr__": _attribute, "__str__": _text, "__eq__": _equals}
    return ErrorClass(name, bases, body | own | asked)
