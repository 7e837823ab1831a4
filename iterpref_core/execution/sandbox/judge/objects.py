"""References: the trees of all that is no plain data, and the objects of this side that they name."""

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
from .proxies import ProxyClass, error_class, proxy_class

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


def _library_type(module: Any, name: Any) -> type | None:
    """Return a type of numpy's scalars and arrays, or an exception of the standard library that is loaded here."""
    root = str(module).partition(".")[0]
    if root in NO_MODULES or (module not in sys.modules and module != "numpy"):
        return None
    if root != "numpy" and root not in sys.stdlib_module_names:
        return None
    try:
        found = lookup(module, name)
    except (AttributeError, ImportError):
        return None
    if not isinstance(found, type):
        return None
    is_data = root == "numpy" and issubclass(found, (sys.modules["numpy"].generic, sys.modules["numpy"].ndarray))
    return found if is_data or issubclass(found, Exception) else None


def _attributes(pairs: list[list[Any]], codec: Codec) -> dict[str, Any]:
    """Return the attributes of an exception that a tree names; none of this module's own."""
    named = {str(key): codec.value(tree) for key, tree in pairs}
    return {key: value for key, value in named.items() if _is_attribute(key)}


def _is_attribute(name: str) -> bool:
    """Tell whether an attribute of an exception crosses."""
    return not name.startswith("_") or name == "__notes__"


class Objects:
    """The objects of this side that the other knows by their handles, and the proxies here for those of the other.

    Args:
        peer: the side's end of the conversation.
        is_judge: this is the judge's side, which trusts nothing.

    Attributes:
        line_of: says in which line of the program an exception was raised.
        test_modules: names of the modules that are the test's own.
        stand_for_plain: names of classes of proxies for objects of subclasses of plain types.
    """

    def __init__(self, peer: Any, *, is_judge: bool) -> None:
        self._peer = peer
        self._is_judge = is_judge
        self.line_of: Callable[[BaseException], int | None] = lambda _: None
        self.test_modules: set[str] = set()
        self.stand_for_plain: list[str] = []
        self._kept: list[Any] = []
        self._handles: dict[Any, int] = {}
        self._classes: dict[int, Any] = {}
        # A program may know an object by its `id`: there a proxy stays until the end.
        self._proxies: Any = weakref.WeakValueDictionary() if is_judge else {}

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
        """Return the tree of a value that is no plain data.

        {"y": 5}   your own object 5           {"o": [7, [4, "Point", false, null, null]]}   my object 7 of my class 4
        {"k": [4, "Point", false, null, null]}  my class   {"g": ["builtins", "len"]}  what both sides have
        {"x": [...]}   an exception            {"e": [6, [["attempts", 2]]]}   your own exception, with new attributes
        {"m": ["math", ...]}   a module
        """
        kind = type(value)
        if isinstance(kind, ProxyClass):
            return {"y": value.iterpref_handle}
        if kind is ProxyClass or "iterpref_class" in getattr(value, "__dict__", ()):
            return {"y": value.iterpref_class}
        if isinstance(value, BaseException):
            return self._exception_tree(value, codec)
        name = self._name_of(value)
        if name:
            return {"g": name}
        if isinstance(value, type):
            return {"k": self._class_facts(value)}
        if isinstance(value, types.ModuleType):
            return {"m": [value.__name__, None if self._is_judge else self._object(value)]}
        if kind is types.TracebackType:
            return None  # frames stay where they are
        if self._is_judge and kind in (types.FrameType, types.CodeType):
            raise TypeError(f"{kind.__name__} objects stay with the test")
        return {"o": self._object(value)}

    def reference(self, value: Any) -> Tree:
        """Return the tree of a reference to any value."""
        return {"o": self._object(value)}

    def _object(self, value: Any) -> list[Any]:
        return [self._keep(value), self._class_facts(type(value))]

    def _class_facts(self, kind: type) -> list[Any]:
        handle = self._keep(kind)
        if issubclass(kind, BaseException):
            bases = [self._class_tree(base) for base in kind.__bases__ if issubclass(base, BaseException)]
            return [handle, kind.__name__, False, bases, [kind.__module__, kind.__qualname__]]
        shown = None
        if kind not in PARTS:
            # `isinstance(f(), types.GeneratorType)`; an object of `class Stack(list)` is a list.
            own = (base for base in (kind, *_PLAIN) if id(base) in _SHARED and issubclass(kind, base))
            shown = next((_SHARED[id(base)] for base in own), None)
        return [handle, kind.__name__, any("__call__" in vars(base) for base in kind.__mro__), None, shown]

    def _class_tree(self, kind: type) -> Tree:
        name = self._name_of(kind)
        return {"g": name} if name else {"k": self._class_facts(kind)}

    def _name_of(self, value: Any) -> tuple[str, str] | None:
        """Return where the other side finds the same class or function; None if it is to be asked for it."""
        if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            return None
        if isinstance(value, type):
            if id(value) in _SHARED:
                return _SHARED[id(value)]
            is_exception = issubclass(value, BaseException)  # the judge may not have its module, and looks for it
            if not is_exception and _library_type(value.__module__, value.__qualname__) is value:
                return (value.__module__, value.__qualname__)
        module, qualname = value.__module__, value.__qualname__
        if not self._is_judge or not module or module in self.test_modules or "<" in qualname:
            return None
        try:
            return (module, qualname) if module in sys.modules and lookup(module, qualname) is value else None
        except (AttributeError, ImportError):
            return None

    def _exception_tree(self, error: BaseException, codec: Codec) -> Tree:
        seen = error.__dict__.get("_iterpref")
        attributes = [[key, codec.tree(value)] for key, value in vars(error).items() if _is_attribute(key)]
        if seen is not None:
            return {"e": [seen[0], attributes]}
        kind = type(error)
        args = error.args
        # open("x") raises with args (2, "No such file or directory") and takes the name as a third one.
        if isinstance(error, OSError) and error.filename is not None and len(args) == 2:
            args = (*args, error.filename)
        line = self.line_of(error)
        if not self._is_judge:
            error.__traceback__ = None
        return {
            "x": [
                self._keep(error),
                self._class_tree(kind),
                codec.trees(args),
                text_of(error),
                attributes,
                # A cause in the test may hold what the test expects.
                None if error.__cause__ is None or self._is_judge else self._exception_tree(error.__cause__, codec),
                line,
            ]
        }

    def resolve(self, tag: str, body: Any, codec: Codec) -> Any:
        """Return the object of this side that a tree of `refer` names."""
        match tag:
            case "y":
                return self._kept[body]
            case "o":
                return self._proxy(*body)
            case "k":
                return self._class(*body)
            case "g":
                return self._shared(*body)
            case "x":
                return self._made_exception(body, codec)
            case "e":
                error, attributes = self._kept[body[0]], _attributes(body[1], codec)
                if not isinstance(error, BaseException):
                    raise TypeError("no exception")
                error.__dict__.update(attributes)
                return error
            case "m":
                return self._module(*body)
        raise LookupError("no such tag")

    def _shared(self, module: Any, name: Any) -> Any:
        if self._is_judge and (module, name) not in _SHARED.values() and _library_type(module, name) is None:
            raise LookupError("no shared type")
        return lookup(module, name)

    def _class(self, handle: int, name: str, is_callable: bool, bases: list[Any] | None, shown: Any) -> Any:
        if handle not in self._classes:
            if type(handle) is not int or type(name) is not str:
                raise TypeError("no class")
            if bases is None:
                kind = None if shown is None else self._shared(*shown)
                if kind in _PLAIN:
                    self.stand_for_plain.append(name)
                self._classes[handle] = proxy_class(self._peer, handle, name, kind, is_callable=is_callable)
            else:
                kinds = tuple(self._class_of(tree) for tree in bases)
                self._classes[handle] = _library_type(*shown) or error_class(self._peer, handle, name, kinds)
        return self._classes[handle]

    def _class_of(self, tree: Tree) -> Any:
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
            object.__setattr__(found, "iterpref_made", False)
        return found

    def _made_exception(self, body: list[Any], codec: Codec) -> Any:
        handle, kind, args, text, attributes, cause, line = body
        found = self._class_of(kind)
        values = tuple(codec.value(arg) for arg in args)
        # `class E(Exception)` with `__init__(self, code)` that passes on a text: it would take the text for the code.
        try:
            made = found.__new__(found, *values)
            if "iterpref_class" not in vars(found):
                made.__init__(*values)
        except Exception:  # noqa: BLE001 - a class whose arguments are not those it keeps
            made = BaseException.__new__(found)
        if not isinstance(made, OSError):
            made.args = values
        made.__dict__.update(_attributes(attributes, codec))
        made.__dict__["_iterpref"] = (handle, str(text), line)
        if cause is not None:
            made.__cause__ = codec.value(cause)
        return made

    def _module(self, name: str, reference: list[Any] | None) -> Any:
        if not self._is_judge:
            return importlib.import_module(name)
        root = name.partition(".")[0]
        is_a_library = root in sys.stdlib_module_names or root == "numpy"
        if name in sys.modules and is_a_library and root not in NO_MODULES and name not in self.test_modules:
            return sys.modules[name]
        if reference is None:
            raise LookupError("no such module")
        return self._proxy(*reference)
