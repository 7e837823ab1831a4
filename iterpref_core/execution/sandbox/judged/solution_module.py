"""Solution: the program's module as a test imports it, and the names of it that a test looks up.

from solution import f    the finder makes the module; its `__getattr__` asks the program for "f"
assert f(2) == 4          no import: `names_in` finds "f" in the test's code, and the program is asked for it
"""

import builtins
import dis
import importlib.abc
import importlib.machinery
import os
import re
import types
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from .peer import Peer

_NAME = re.compile(r"[A-Za-z_]\w*")


def names_in(code: types.CodeType) -> set[str]:
    """Return all names that a code may look up, those in its texts too: `eval("f(2)")`."""
    # Of `assert eval("f(2)") == g(3)`: g and eval are names, f is a word in a constant. Functions and comprehensions
    # of the test are constants too, with names of their own.
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= names_in(constant)
        elif type(constant) is str and len(constant) < 10_000:
            names.update(_NAME.findall(constant))
    return names


def without_builtins(names: Iterable[str]) -> list[str]:
    """Return the names that a test means by the solution's: `sorted` is Python's where it uses `f` of the solution too.

    >>> without_builtins(["sorted", "f"]), without_builtins(["sum"])
    (['f'], ['sum'])
    """
    # `assert sum([1]) == 1` can only be about a `sum` of the solution's. In `assert sorted(f(2)) == [1]` it is `f`,
    # and `sorted` is Python's, whatever the solution has under that name.
    known = list(names)
    return [name for name in known if not hasattr(builtins, name)] or known


def library_of(name: str, code: types.CodeType) -> types.ModuleType | None:
    """Return the library that a test means by a name which the solution gives to something else.

    That is so if all attributes that the test asks for are the library's: `math.isclose`.
    """
    module = importlib.import_module(name)
    asked = set(_attributes_of(name, code))
    return module if asked and all(hasattr(module, attribute) for attribute in asked) else None


def _attributes_of(name: str, code: types.CodeType) -> Iterator[str]:
    before = None
    for instruction in dis.get_instructions(code):
        if before == name and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            yield str(instruction.argval)
        before = instruction.argval if instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL") else None
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _attributes_of(name, constant)


class Session(Protocol):
    """The session that a solution's module belongs to; see `judge.Session`."""

    peer: Peer
    folder: str

    def solution(self, name: str) -> "Solution":
        """Return a module of the solution."""

    def load(self, name: str) -> None:
        """Have the program run the solution."""

    def named(self, name: str, value: Any) -> None:
        """Note under which name a test knows a class, or a function."""

    def has_file(self, module: str) -> bool:
        """Tell whether a package lies among the test's files."""


class Solution(types.ModuleType):
    """The solution's module, as a test imports it; all questions about it go to the program."""

    def __init__(self, name: str, session: Session) -> None:
        super().__init__(name)
        self.__dict__["iterpref_session"] = session

    def __getattr__(self, name: str) -> Any:
        session = self.__dict__["iterpref_session"]
        if name == "__all__":
            return without_builtins(session.peer.ask("listed", None, "", (self.__name__,)))
        if name.startswith("__") and name not in ("__version__", "__author__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        try:
            value = session.peer.ask("get", None, "", (self.__name__, name))
        except AttributeError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None
        session.named(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            self.__dict__["iterpref_session"].peer.ask("set", None, "", (self.__name__, name, value))

    def __delattr__(self, name: str) -> None:
        self.__dict__["iterpref_session"].peer.ask("delete", None, "", (self.__name__, name))

    def __dir__(self) -> list[str]:
        return list(self.__dict__["iterpref_session"].peer.ask("listed", None, "", (self.__name__,)))


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the solution, in the other process."""

    def __init__(self, session: Session, modules: list[str]) -> None:
        self._session = session
        self._modules = modules

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        """Return the spec of the solution, or of a package that it lies in: `lib` for the solution `lib.sums`."""
        if name in self._modules:
            return importlib.machinery.ModuleSpec(name, self)
        holds_it = any(module.startswith(f"{name}.") for module in self._modules)
        if not holds_it or self._session.has_file(name):
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
        folder = os.path.join(self._session.folder, name.replace(".", "/"))
        spec.submodule_search_locations = [folder]
        return spec

    def module(self, name: str) -> types.ModuleType:
        """Return the solution's module as an import would leave it."""
        found = self._session.solution(name)
        found.__loader__ = self
        found.__spec__ = importlib.machinery.ModuleSpec(name, self)
        return found

    def create_module(self, spec: Any) -> types.ModuleType | None:
        """Return the solution's module; None, as Python asks for, where a plain one will do."""
        return self._session.solution(spec.name) if spec.name in self._modules else None

    def exec_module(self, module: types.ModuleType) -> None:
        """Have the program run the solution."""
        if module.__name__ in self._modules:
            self._session.load(module.__name__)
