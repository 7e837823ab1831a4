"""The requests that a judge allows: all that a program may ask about the objects that a test has handed over to it.

A handle has a sort, and each sort a list of requests; a judge answers no others. Of an object, a program reaches the
public attributes that the test's own classes give it, and those that are listed here for a class of a library:

    f(Item(2), print_it, out)     program asks            judge
    "object"                      getattr price           the test's own class has it
    "function"                    op __call__             called, with the program's arguments
    "object", an io.StringIO      getattr write           listed
                                  getattr raw             not listed: it would lead to other files
    "kind", the class of `out`    call                    no request of that sort: no file is opened
"""

import collections
import gc
import io
import types
from typing import Any

from . import proxies

# Modules from which a program takes no exceptions and modules: the test's runner would obey them.
NO_MODULES = frozenset({"unittest", "pytest", "_pytest", "doctest", "bdb", "pdb", "mock"})

_OF_OBJECTS = frozenset({"getattr", "setattr", "delattr", "op", "dir", "copy", "deepcopy", "signature", "await"})
_REQUESTS: dict[str, frozenset[str]] = {
    "object": _OF_OBJECTS,
    "function": frozenset({"getattr", "op", "dir", "signature"}),
    "exception": frozenset({"getattr", "op", "dir"}),
    "class": frozenset({"call", "getattr", "setattr", "dir", "signature", "isinstance", "issubclass", "member"}),
    "kind": frozenset({"getattr", "isinstance", "issubclass", "member"}),
}
"""Requests about a handle, by its sort. A `class` is one of the test's, a `kind` any other class of an object."""
ABOUT_NOTHING = frozenset({"step", "cancel"})
"""Requests about no object: about the coroutines that the program has asked the judge to drive."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ABOUT = frozenset({"__name__", "__qualname__", "__doc__", "__module__", "__annotations__"})
"""Special attributes that may be read of everything."""
_FILE = _words(
    "read read1 readall readinto readline readlines write writelines seek tell flush close closed truncate getvalue "
    "getbuffer readable writable seekable isatty name mode encoding errors newlines line_buffering buffer"
)
_EXCEPTION = _words(
    "args errno strerror filename filename2 code value name path msg lineno offset text exceptions add_note "
    "with_traceback start end reason encoding object print_file_and_line"
)
_LISTED: dict[tuple[str, str], frozenset[str]] = {
    ("builtins", "generator"): frozenset({"send", "throw", "close"}),
    ("builtins", "coroutine"): frozenset({"send", "throw", "close"}),
    ("builtins", "async_generator"): frozenset({"asend", "athrow", "aclose"}),
    ("builtins", "memoryview"): _words("tobytes tolist nbytes format itemsize shape ndim hex release"),
    ("functools", "_lru_cache_wrapper"): frozenset({"cache_info", "cache_clear"}),
    ("re", "Pattern"): _words("match search fullmatch findall finditer sub subn split pattern flags groups groupindex"),
    ("re", "Match"): _words("group groups groupdict start end span expand string pos endpos lastindex lastgroup re"),
    ("queue", "Queue"): _words("put get put_nowait get_nowait empty full qsize task_done join maxsize queue"),
    ("_queue", "SimpleQueue"): _words("put get put_nowait get_nowait empty qsize"),
    ("_thread", "lock"): frozenset({"acquire", "release", "locked"}),
    ("_thread", "RLock"): frozenset({"acquire", "release"}),
    ("threading", "Event"): frozenset({"set", "clear", "wait", "is_set"}),
    ("threading", "Condition"): _words("acquire release wait wait_for notify notify_all"),
    ("threading", "Semaphore"): frozenset({"acquire", "release"}),
    ("threading", "Barrier"): _words("wait reset abort parties n_waiting broken"),
    ("threading", "Thread"): _words("start join is_alive name daemon ident native_id cancel"),
    ("datetime", "tzinfo"): frozenset({"utcoffset", "dst", "tzname", "fromutc", "key"}),
    ("_csv", "writer"): frozenset({"writerow", "writerows"}),
    ("_csv", "reader"): frozenset({"line_num"}),
}
"""Attributes that lead nowhere else, of objects of libraries."""
_WHOLE: dict[tuple[str, str], frozenset[str]] = {
    ("random", "Random"): frozenset(),
    ("_random", "Random"): frozenset(),
    ("numpy.random._generator", "Generator"): frozenset({"bit_generator", "spawn"}),
    ("numpy.random.mtrand", "RandomState"): frozenset(),
    ("collections", "UserDict"): frozenset(),
    ("collections", "UserList"): frozenset(),
    ("collections", "UserString"): frozenset({"format", "format_map"}),
    ("collections", "ChainMap"): frozenset(),
    ("collections.abc", "Mapping"): frozenset(),
    ("collections.abc", "MutableMapping"): frozenset(),
    ("collections.abc", "Sequence"): frozenset(),
    ("collections.abc", "MutableSequence"): frozenset(),
    ("collections.abc", "Set"): frozenset(),
    ("collections.abc", "MutableSet"): frozenset(),
}
"""Classes of libraries all of whose public attributes may be used, but for these."""
_DATA = (list, dict, set, frozenset, tuple, str, bytes, bytearray, int, float, complex, collections.deque)
"""Plain types, from which a test's class may derive; `format` of a text would look into its arguments."""
_WHOLE.update({(kind.__module__, kind.__qualname__): frozenset({"format", "format_map"}) for kind in _DATA})
_NAMESPACES = frozenset({("types", "SimpleNamespace"), ("argparse", "Namespace"), ("_thread", "_local")})
"""Classes whose objects are what somebody has set on them."""


def is_known(op: Any) -> bool:
    """Tell whether there is such a request about any handle."""
    return type(op) is str and any(op in requests for requests in _REQUESTS.values())


def check_request(sort: str, op: str, name: str) -> None:
    """Refuse a request that is not allowed about handles of a sort.

    Raises:
        AttributeError: the request is not allowed.
    """
    if op not in _REQUESTS[sort]:
        raise AttributeError(f"no request about a {sort}: {op}")
    if op == "op" and name not in proxies.PROTOCOL and name != "close":
        raise AttributeError(name)


def sort_of(value: Any) -> str:
    """Return the sort of an object that is no class."""
    if isinstance(value, BaseException):
        return "exception"
    return "function" if type(value) in proxies.FUNCTIONS else "object"


def runs_tests(kind: type) -> bool:
    """Tell whether objects of a class are tests, whose assertions a program must not replace."""
    for base in kind.__mro__:
        package = base.__module__.partition(".")[0]
        if base.__name__.startswith("Test") or package in NO_MODULES:
            return True
    return False


def may_be_called(kind: type, test_modules: set[str]) -> bool:
    """Tell whether a program may make objects of a class: one of the test's own, that opens no file by its number."""
    return kind.__module__ in test_modules and not runs_tests(kind) and not issubclass(kind, io.FileIO)


def check_attribute(target: Any, name: str, test_modules: set[str], *, change: bool = False) -> None:
    """Refuse an attribute that a program must not reach from an object that a test has handed to it.

    Raises:
        AttributeError: it is none of the object's own public attributes, and not listed.
    """
    if name in ABOUT and not change:
        return
    kind = target if isinstance(target, type) else type(target)
    if change and runs_tests(kind):
        raise AttributeError(f"{kind.__name__!r} object attribute {name!r} is read-only")
    if change and kind is target:
        if _may_be_added(target, name):
            return
        raise AttributeError(f"{kind.__name__!r} object attribute {name!r} is read-only")
    if name.startswith("_") or not _is_public(target, kind, name, test_modules, change):
        raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")


def may_be_given(target: Any, name: str, test_modules: set[str]) -> bool:
    """Tell whether a program may give an object of the test a private attribute: one that nobody has set, as `_x`.

    A descriptor of the solution keeps its value in such a one. Whoever has set one may read it.
    """
    kind = type(target)
    if not name.startswith("_") or name.startswith("__") or isinstance(target, type) or runs_tests(kind):
        return False
    if kind.__module__ not in test_modules or name in getattr(target, "__dict__", (name,)):
        return False
    return not any(name in vars(base) for base in kind.__mro__)


def _may_be_added(kind: type, name: str) -> bool:
    """Tell whether a program may give a class of the test an attribute: one that its author has not defined."""
    is_ordinary = name in proxies.PROTOCOL or not name.startswith("_")
    return is_ordinary and not any(name in vars(base) for base in kind.__mro__ if base.__module__ != "builtins")


def _is_public(target: Any, kind: type, name: str, test_modules: set[str], change: bool) -> bool:
    # For `class Log(list): lines = []` of a test a program may use `lines`, and whatever the test or the program has
    # set on the object; of a list, its public methods.
    is_set_on_it = name in getattr(target, "__dict__", ())
    own = [base for base in kind.__mro__ if base.__module__ in test_modules]
    if own and (change or is_set_on_it or any(name in vars(base) for base in own)):
        return True
    bases = [(base.__module__, base.__qualname__) for base in kind.__mro__]
    if not _NAMESPACES.isdisjoint(bases) and (change or is_set_on_it):
        return True
    if change or kind is target:
        return False
    if isinstance(target, types.FunctionType) and is_set_on_it:
        return True
    if isinstance(target, io.IOBase):
        return name in _FILE
    if isinstance(target, BaseException):
        return name in _EXCEPTION
    for place, base in enumerate(bases):
        if name in _LISTED.get(base, ()):
            return True
        if base in _WHOLE and name in vars(kind.__mro__[place]) and name not in _WHOLE[base]:
            return True
    return False


_WRITTEN_MODULES = frozenset({"typing", "types", "numpy"})
"""Modules whose objects' texts show no more than the object is: `list[int]`, a dtype."""


def text_of(target: Any, name: str, test_modules: set[str], args: list[Any]) -> str:
    """Return the text of an object that was handed over; of a library's, which may show what it holds, only its class.

    Args:
        target: the object, such as `functools.partial(operator.eq, 4)`.
        name: `__str__`, `__repr__` or `__format__`.
        test_modules: names of the modules that are the test's own.
        args: of the method.
    """
    kind = type(target)
    if _may_be_written(target, kind, test_modules) and _parts_may_be_written(target, test_modules):
        return str(getattr(kind, name)(target, *args))
    return f"<{kind.__module__}.{kind.__qualname__} object>"


def _may_be_written(target: Any, kind: type, test_modules: set[str]) -> bool:
    if isinstance(target, BaseException | types.FunctionType | types.BuiltinFunctionType | io.IOBase):
        return True
    for base in kind.__mro__:
        if {"__str__", "__repr__", "__format__"}.isdisjoint(vars(base)):
            continue
        # Whoever writes the text first of all: the test's class, a listed one, or a library's.
        if base is object or base.__module__ in test_modules:
            return True
        where = (base.__module__, base.__qualname__)
        return where in _WHOLE or where in _LISTED or where in _NAMESPACES or _root(base) in _WRITTEN_MODULES
    return False


_PLAIN = (int, float, complex, str, bytes, bytearray, type(None), type, types.ModuleType)
_MANY_PARTS = 10_000
"""Parts beyond which nothing is written: looking at them takes longer than a test should."""


def _parts_may_be_written(target: Any, test_modules: set[str]) -> bool:
    """Tell whether the text of an object, if it is made of its parts' texts, shows no more than they are.

    The text of `UserList([partial(eq, 4)])` has the text of the `partial`, and so has that of a data class.
    """
    seen: dict[int, Any] = {}
    waiting = [target]
    while waiting:
        whole = waiting.pop()
        if not _is_written_by_its_parts(whole):
            continue
        for part in gc.get_referents(whole):
            if id(part) in seen or isinstance(part, _PLAIN):
                continue
            seen[id(part)] = part
            if len(seen) > _MANY_PARTS:
                return False
            if not isinstance(part, _CONTAINERS) and not _may_be_written(part, type(part), test_modules):
                return False
            waiting.append(part)
    return True


_CONTAINERS = (list, tuple, dict, set, frozenset, collections.deque, types.MappingProxyType)


def _is_written_by_its_parts(target: Any) -> bool:
    """Tell whether Python, and not the test, has written how an object's text is made, of its parts."""
    kind = type(target)
    if isinstance(target, _CONTAINERS):
        return True
    for base in kind.__mro__:
        if "__repr__" in vars(base) or "__str__" in vars(base):
            # `dataclass` writes the method of its class: a wrapped function.
            own = vars(base).get("__repr__")
            made = "__dataclass_fields__" in vars(base) and hasattr(own, "__wrapped__")
            where = (base.__module__, base.__qualname__)
            return made or where in _WHOLE or where in _NAMESPACES
    return False


def _root(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def check_call(target: Any, args: list[Any], named: dict[str, Any], handed: Any) -> None:
    """Refuse a call of a text's `format` with an object of the test: the text could look into it.

    Args:
        target: what is called.
        args: arguments by position.
        named: arguments by name.
        handed: tells whether an object was handed over.

    Raises:
        AttributeError: it is refused.
    """
    if type(target) is not types.BuiltinMethodType or target.__name__ not in ("format", "format_map"):
        return
    if isinstance(target.__self__, str) and any(handed(value) for value in (*args, *named.values())):
        raise AttributeError(target.__name__)
