"""Objects of the program: how it names them, and what stands for them in the judge.

Only the program's objects cross by reference; a test hands over plain data, what it has of the program, and builtins.
"""

import builtins
import collections
import importlib
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

from ...codec.crossing import Codec
from ...codec.data_types import MAPPINGS, PARTS
from ...codec.plain import Tree
from ...solution.loading import text_of
from .proxies import ErrorClass, ProxyClass, error_class, proxy_class

NO_MODULES = frozenset({"unittest", "pytest", "_pytest", "doctest", "bdb", "pdb", "mock"})
"""Modules from which a program takes no exceptions and modules: the test's runner would obey them."""


def _shared_types() -> dict[int, tuple[str, str]]:
    # {id(int): ("builtins", "int"), id(FunctionType): ("types", "FunctionType"), ...}
    named: dict[int, tuple[str, str]] = {}
    for module in (builtins, types):
        for name, value in vars(module).items():
            if isinstance(value, type) and not name.startswith("_"):
                named.setdefault(id(value), (module.__name__, name))
    for kind in (*PARTS, *MAPPINGS.values(), collections.deque):
        named.setdefault(id(kind), (kind.__module__, kind.__name__))
    return named


_SHARED = _shared_types()
"""Types that are the same on both sides, by identity: a class that a program puts in their place is its own."""
_PLAIN = (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)


def lookup(module: str, qualname: str) -> Any:
    """Return the object of a name in a module, which is imported if it has to be."""
    found = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def _is_library(module: Any) -> bool:
    """Tell whether a program may name what a module has: one of numpy or the standard library that is loaded."""
    root = str(module).partition(".")[0]
    known = root == "numpy" or root in sys.stdlib_module_names
    return known and root not in NO_MODULES and (module in sys.modules or module == "numpy")


def _library_type(module: Any, name: Any) -> type | None:
    """Return a type of numpy's numbers, or an exception of the standard library that is loaded here."""
    if not _is_library(module):
        return None
    try:
        found = lookup(module, name)
    except (AttributeError, ImportError):
        return None
    numpy = sys.modules.get("numpy")
    expected = (Exception,) if numpy is None else (Exception, numpy.generic)
    return found if isinstance(found, type) and issubclass(found, expected) else None


def _is_attribute(name: str) -> bool:
    """Tell whether an attribute of an exception crosses."""
    return not name.startswith("_") or name == "__notes__"


class Originals:
    """The program's objects that the judge knows by their handles.

    {"o": [7, [4, "Point", false, null]]}   object 7 of class 4    {"k": [4, "Point", false, null]}   class 4
    {"g": ["builtins", "int"]}   a type of both sides    {"x": [...]}   an exception    {"m": "math"}   a module

    Attributes:
        line_of: says in which line of the program an exception was raised.
    """

    def __init__(self) -> None:
        self.line_of: Callable[[BaseException], int | None] = lambda _: None
        self._kept: list[Any] = []
        self._handles: dict[Any, int] = {}

    def _keep(self, value: Any) -> int:
        key: Any = id(value)
        # `item.double` is a new object each time that it is asked for; what it is bound to and its function stay.
        if type(value) is types.MethodType:
            key = (id(value.__self__), id(value.__func__))
        handle = self._handles.get(key)
        if handle is None:
            handle = self._handles[key] = len(self._kept)
            self._kept.append(value)
        return handle

    def refer(self, value: Any, codec: Codec) -> Tree:
        """Return the tree of a value that is no plain data."""
        if isinstance(value, BaseException):
            return self._exception(value, codec)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.ModuleType):
            return {"m": value.__name__}
        return {"o": [self._keep(value), self._facts(type(value))]}

    def _class(self, kind: type) -> Tree:
        if id(kind) in _SHARED:
            return {"g": _SHARED[id(kind)]}
        if not issubclass(kind, BaseException) and _library_type(kind.__module__, kind.__qualname__) is kind:
            return {"g": [kind.__module__, kind.__qualname__]}
        return {"k": self._facts(kind)}

    def _facts(self, kind: type) -> list[Any]:
        """Return the handle of a class, its name, a fact, and the name of a type of both sides that it counts as."""
        handle = self._keep(kind)
        if issubclass(kind, BaseException):
            bases = [self._class(base) for base in kind.__bases__ if issubclass(base, BaseException)]
            return [handle, kind.__name__, bases, [kind.__module__, kind.__qualname__]]
        # `isinstance(f(), types.GeneratorType)`; an object of `class Stack(list)` is a list.
        own = (base for base in (kind, *_PLAIN) if id(base) in _SHARED and issubclass(kind, base))
        shown = next((_SHARED[id(base)] for base in own), None)
        return [handle, kind.__name__, any("__call__" in vars(base) for base in kind.__mro__), shown]

    def _exception(self, error: BaseException, codec: Codec) -> Tree:
        args = error.args
        # open("x") raises with args (2, "No such file or directory") and takes the name as a third one.
        if isinstance(error, OSError) and error.filename is not None and len(args) == 2:
            args = (*args, error.filename)
        line = self.line_of(error)
        error.__traceback__ = None
        cause = None if error.__cause__ is None else self._exception(error.__cause__, codec)
        attributes = [[key, codec.tree(value)] for key, value in vars(error).items() if _is_attribute(key)]
        handle = self._keep(error)
        return {"x": [handle, self._class(type(error)), codec.trees(args), text_of(error), attributes, cause, line]}

    def resolve(self, tag: str, body: Any, _codec: Codec) -> Any:
        """Return what the judge names: `{"y": 7}`, an object of this side, or `{"g": [...]}`, a builtin."""
        return self._kept[body] if tag == "y" else lookup(*body)


class StandIns:
    """What stands in the judge for the program's objects."""

    def __init__(self) -> None:
        self._classes: dict[int, Any] = {}
        self._proxies: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def refer(self, value: Any, _codec: Codec) -> Tree:
        """Return the tree of a value that is no plain data.

        Raises:
            TypeError: it is the test's own, which stays here.
        """
        kind = type(value)
        if isinstance(kind, ProxyClass):
            return {"y": value.iterpref_handle}
        if isinstance(value, BaseException) and "_iterpref" in value.__dict__:
            return {"y": value.__dict__["_iterpref"][0]}
        if kind is ProxyClass or kind is ErrorClass:
            return {"y": value.iterpref_class}
        if id(value) in _SHARED:
            return {"g": _SHARED[id(value)]}
        name = getattr(value, "__name__", "")
        if isinstance(value, types.BuiltinFunctionType) and vars(builtins).get(name) is value:
            return {"g": ["builtins", name]}
        raise TypeError(f"the test hands over an object of type {kind.__name__}")

    def resolve(self, tag: str, body: Any, codec: Codec) -> Any:
        """Return what stands for an object that a tree of the program's names.

        Raises:
            Exception: the tree is none that `Originals` writes.
        """
        match tag:
            case "o":
                return self._proxy(*body)
            case "k":
                return self._class(*body)
            case "g":
                return self._shared(*body)
            case "x":
                return self._exception(codec, *body)
            case "m" if _is_library(body) and body in sys.modules:
                return sys.modules[body]
        raise LookupError("no such tag")

    def _shared(self, module: Any, name: Any) -> Any:
        if (module, name) not in _SHARED.values() and _library_type(module, name) is None:
            raise LookupError("no shared type")
        return lookup(module, name)

    def _class(self, handle: int, name: str, fact: Any, shown: Any) -> Any:
        if handle not in self._classes:
            if type(handle) is not int or type(name) is not str:
                raise TypeError("no class")
            if type(fact) is bool:
                kind = None if shown is None else self._shared(*shown)
                self._classes[handle] = proxy_class(handle, name, kind, is_callable=fact)
            else:
                bases = tuple(map(self._error, fact))
                self._classes[handle] = _library_type(*shown) or error_class(handle, name, bases)
        return self._classes[handle]

    def _error(self, tree: Tree) -> Any:
        """Return the class of exceptions that a tree names."""
        found = self._shared(*tree["g"]) if "g" in tree else self._class(*tree["k"])
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise TypeError("no exception")
        return found

    def _proxy(self, handle: int, facts: list[Any]) -> Any:
        found = self._proxies.get(handle)
        if found is None:
            kind: Any = self._class(*facts)
            if type(kind) is not ProxyClass:
                raise TypeError("no class of objects")
            found = self._proxies[handle] = object.__new__(kind)  # type: ignore[arg-type]
            object.__setattr__(found, "iterpref_handle", handle)
        return found

    def _exception(
        self, codec: Codec, handle: int, kind: Tree, args: list[Tree], text: str, attributes: Any, cause: Any, line: Any
    ) -> Any:
        found = self._error(kind)
        values = tuple(codec.value(arg) for arg in args)
        # `class E(Exception)` with `__init__(self, code)` that passes on a text: it would take the text for the code.
        try:
            made = found.__new__(found, *values)
            if type(found) is not ErrorClass:
                made.__init__(*values)
        except Exception:  # noqa: BLE001 - a class whose arguments are not those it keeps
            made = BaseException.__new__(found)
        if not isinstance(made, OSError):
            made.args = values
        named = {str(key): codec.value(tree) for key, tree in attributes}
        made.__dict__.update({key: value for key, value in named.items() if _is_attribute(key)})
        made.__dict__["_iterpref"] = (handle, str(text), line)
        if cause is not None:
            made.__cause__ = codec.value(cause)
        return made
