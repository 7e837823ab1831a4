"""Permission: what a program may ask of a judge. It may use what the test has handed to it, and nothing else.

Functions may be called, generators and iterators run, text files read and written. Of objects of the test's own classes
a program reaches the public attributes and the operators. Everything else stays closed: modules, frames, the insides of
functions and of libraries' objects. In plain Python all of that is open, so a program that asks for it is not blamed:
the test ends as `not judged`.
"""

import io
import types
from typing import Any

_FILE = frozenset(
    {
        *("read", "readline", "readlines", "write", "writelines", "seek", "tell"),
        *("flush", "close", "closed", "truncate", "getvalue"),
    }
)
_ABOUT = frozenset({"__name__", "__qualname__", "__doc__", "__module__"})
_OF_ERRORS = frozenset({"args", "errno", "strerror", "filename", "code", "value"})
_OF_GENERATORS = frozenset({"send", "throw", "close"})
_OF_ATTRIBUTES = frozenset({"getattr", "setattr", "delattr"})
_OF_ANY = frozenset({"iter", "next", "len", "bool", "hash", "contains", "getitem"})


class RefusedError(Exception):
    """A request that a program may not make, and that plain Python would meet."""


def is_assertion(error: BaseException) -> bool:
    """Tell whether an error is the failure of an assertion of the test."""
    if "_iterpref" in error.__dict__:
        return False
    return isinstance(error, AssertionError) or type(error).__module__.startswith("_pytest.")


def check(op: str, args: list[Any], test_modules: set[str]) -> None:
    """Refuse a request.

    Args:
        op: its name.
        args: what it is about, and further values.
        test_modules: names of the modules that are the test's own.

    Raises:
        RefusedError: it is not allowed.
        AttributeError: it asks for an attribute that there is not.
    """
    target = args[0] if args else None
    kind = target if isinstance(target, type) else type(target)
    name = str(args[1]) if op in _OF_ATTRIBUTES else ""
    if name and op == "getattr" and not _has(target, kind, name):
        raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
    if not _may(op, args, target, kind, name, test_modules):
        asked = f"{op} {name!r}" if name else op
        raise RefusedError(f"the program asks for {asked} of an object of {kind.__name__} that the test hands over")


def _may(op: str, args: list[Any], target: Any, kind: type, name: str, test_modules: set[str]) -> bool:
    if kind.__module__ in test_modules and not _runs_tests(kind):
        changes_class = isinstance(target, type) and op in ("setattr", "delattr")
        return not name.startswith("_") and not changes_class
    if op == "call":
        # `"{0.price}".format` would look into objects of the test.
        formats = isinstance(getattr(target, "__self__", None), str) and target.__name__.startswith("format")
        is_function = callable(target) and not isinstance(target, type)
        return is_function and not (formats and any(type(arg).__module__ != "builtins" for arg in args[1:]))
    if op == "getattr":
        return (
            name in _ABOUT
            or (isinstance(target, io.IOBase) and name in _FILE)
            or (isinstance(target, types.GeneratorType) and name in _OF_GENERATORS)
            or (isinstance(target, BaseException) and name in _OF_ERRORS)
        )
    return op in _OF_ANY or (op in ("str", "repr") and isinstance(target, BaseException))


def _has(target: Any, kind: type, name: str) -> bool:
    """Tell whether there is an attribute, without asking the object: that would run code of the test's."""
    if any(name in vars(base) for base in kind.__mro__):
        return True
    return "__getattr__" in dir(kind) or name in getattr(target, "__dict__", ())


def _runs_tests(kind: type) -> bool:
    """Tell whether a class has tests, which a runner runs."""
    roots = {base.__module__.partition(".")[0] for base in kind.__mro__}
    return kind.__name__.startswith("Test") or not roots.isdisjoint(("unittest", "_pytest"))
