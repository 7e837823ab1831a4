"""Objects of the program: how it names them, and what stands for them in the judge.

Plain data crosses by value, as a tree of JSON (`codec.plain`): `{"t": [1, 2]}` is the tuple (1, 2). Containers are
copied: what one side changes in its own, the other does not see. Only exact types are data: an object of a subclass of
`int` might lie about itself. It crosses by reference, as all other objects do. Only the program's objects cross so; a
test hands over plain data, what it has of the program, and builtins.
"""

import builtins
import collections
import importlib
import re
import sys
import types
from collections.abc import Callable
from typing import Any, ClassVar

from ...codec.data_types import PARTS
from ...codec.plain import Tree, Trees
from ...solution.loading import text_of
from .proxies import ErrorClass, ProxyClass, error_class, proxy_class

NO_MODULES = frozenset({"unittest", "pytest", "_pytest", "doctest", "bdb", "pdb", "mock"})
"""Modules from which a program takes no exceptions and modules: the test's runner would obey them."""


_OF_LIBRARIES = (collections.OrderedDict, collections.Counter, collections.defaultdict, collections.deque, re.Match)


def _shared_types() -> dict[int, tuple[str, str]]:
    # {id(int): ("builtins", "int"), id(FunctionType): ("types", "FunctionType"), ...}
    named: dict[int, tuple[str, str]] = {}
    for module in (builtins, types):
        for name, value in vars(module).items():
            if isinstance(value, type) and not name.startswith("_"):
                named.setdefault(id(value), (module.__name__, name))
    for kind in (*PARTS, *_OF_LIBRARIES):
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
    """Tell whether a program may name what a module has: one of the standard library that is loaded."""
    root = str(module).partition(".")[0]
    return root in sys.stdlib_module_names and root not in NO_MODULES and module in sys.modules


def _library_error(module: Any, name: Any) -> type | None:
    """Return an exception of the standard library that is loaded here."""
    try:
        found = lookup(module, name) if _is_library(module) else None
    except AttributeError:
        return None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


class _Crossing(Trees):
    """The trees of plain data and of data types; `refer` names all other objects."""

    sorts = False

    def other(self, value: Any) -> Tree:
        """Return the tree of a value that is no plain value."""
        found = self.parts(value) if type(value) in PARTS else None
        return self.refer(value) if found is None else found

    def refer(self, value: Any) -> Tree:
        """Return the tree of a value that is no data."""
        raise NotImplementedError


class Originals(_Crossing):
    """The program's objects that the judge knows by their handles.

    {"o": [7, [4, "Point", false, null]]}   object 7 of class 4    {"k": [4, "Point", false, null]}   class 4
    {"g": ["builtins", "int"]}   a type of both sides    {"x": [...]}   an exception    {"m": "math"}   a module

    Attributes:
        line_of: says in which line of the program an exception was raised.
        kept: the objects, by their handles.
    """

    readers: ClassVar = Trees.readers | {
        "y": lambda originals, handle: originals.kept[handle],
        "g": lambda _, names: lookup(*names),
    }

    def __init__(self) -> None:
        self.line_of: Callable[[BaseException], int | None] = lambda _: None
        self.kept: list[Any] = []
        self._handles: dict[Any, int] = {}

    def _keep(self, value: Any) -> int:
        key: Any = id(value)
        # `item.double` is a new object each time that it is asked for; what it is bound to and its function stay.
        if type(value) is types.MethodType:
            key = (id(value.__self__), id(value.__func__))
        handle = self._handles.get(key)
        if handle is None:
            handle = self._handles[key] = len(self.kept)
            self.kept.append(value)
        return handle

    def refer(self, value: Any) -> Tree:
        """Return the tree of a value that is no data.

        Raises:
            TypeError: it is a module that is not of the standard library.
        """
        if isinstance(value, BaseException):
            return self._exception(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.ModuleType):
            # It would decide by functions of its own: `np.isclose`.
            if value.__name__.partition(".")[0] not in sys.stdlib_module_names:
                raise TypeError("a module")
            return {"m": value.__name__}
        return {"o": [self._keep(value), self._facts(type(value))]}

    def _class(self, kind: type) -> Tree:
        if id(kind) in _SHARED:
            return {"g": _SHARED[id(kind)]}
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

    def _exception(self, error: BaseException) -> Tree:
        args = error.args
        # open("x") raises with args (2, "No such file or directory") and takes the name as a third one.
        if isinstance(error, OSError) and error.filename is not None and len(args) == 2:
            args = (*args, error.filename)
        line = self.line_of(error)
        error.__traceback__ = None
        attributes = [[key, self.tree(value)] for key, value in vars(error).items() if not key.startswith("_")]
        handle = self._keep(error)
        return {"x": [handle, self._class(type(error)), self.trees(args), text_of(error), attributes, line]}


class StandIns(_Crossing):
    """The judge's side: proxies stand for the program's objects. Trees may be hostile: a wrong one raises an error."""

    readers: ClassVar = Trees.readers | {
        "o": lambda trees, body: trees.proxy(*body),
        "k": lambda trees, body: trees.class_of(*body),
        "g": lambda trees, body: trees.shared(*body),
        "x": lambda trees, body: trees.exception(*body),
        "m": lambda trees, body: trees.module(body),
    }

    def __init__(self) -> None:
        self._classes: dict[int, Any] = {}
        self._proxies: dict[int, Any] = {}

    def refer(self, value: Any) -> Tree:
        """Return the tree of a value that is no data.

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

    def module(self, name: Any) -> Any:
        """Return a module of the standard library."""
        if not _is_library(name):
            raise LookupError("no module of a library")
        return sys.modules[name]

    def shared(self, module: Any, name: Any) -> Any:
        """Return a type of both sides, or an exception of a library."""
        if (module, name) not in _SHARED.values() and _library_error(module, name) is None:
            raise LookupError("no shared type")
        return lookup(module, name)

    def class_of(self, handle: int, name: str, fact: Any, shown: Any) -> Any:
        """Return what stands for a class."""
        if handle not in self._classes:
            if type(handle) is not int or type(name) is not str:
                raise TypeError("no class")
            if type(fact) is bool:
                kind = None if shown is None else self.shared(*shown)
                self._classes[handle] = proxy_class(handle, name, kind, is_callable=fact)
            else:
                bases = tuple(map(self._error, fact))
                self._classes[handle] = _library_error(*shown) or error_class(handle, name, bases)
        return self._classes[handle]

    def _error(self, tree: Tree) -> Any:
        """Return the class of exceptions that a tree names."""
        found = self.shared(*tree["g"]) if "g" in tree else self.class_of(*tree["k"])
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise TypeError("no exception")
        return found

    def proxy(self, handle: int, facts: list[Any]) -> Any:
        """Return what stands for an object."""
        found = self._proxies.get(handle)
        if found is None:
            kind: Any = self.class_of(*facts)
            if type(kind) is not ProxyClass:
                raise TypeError("no class of objects")
            found = self._proxies[handle] = object.__new__(kind)  # type: ignore[arg-type]
            object.__setattr__(found, "iterpref_handle", handle)
        return found

    def exception(self, handle: int, kind: Tree, args: list[Tree], text: str, attributes: Any, line: Any) -> Any:
        """Return what stands for an exception; see `Originals`."""
        found = self._error(kind)
        values = tuple(self.value(arg) for arg in args)
        # `class E(Exception)` with `__init__(self, code)` that passes on a text: it would take the text for the code.
        try:
            made = found.__new__(found, *values)
            if type(found) is not ErrorClass:
                made.__init__(*values)
        except Exception:  # noqa: BLE001 - a class whose arguments are not those it keeps
            made = BaseException.__new__(found)
        if not isinstance(made, OSError):
            made.args = values
        made.__dict__.update({key: self.value(tree) for key, tree in attributes if not key.startswith("_")})
        made.__dict__["_iterpref"] = (handle, str(text), line)
        return made
