"""Solution: the program's module as a test imports it, and the names of it that a test looks up.

from solution import f    the finder makes the module; its `__getattr__` asks the program for "f"
assert f(2) == 4          no import: Python looks for "f" in the test's builtins, `Names`, and the program is asked
"""

import builtins
import dis
import importlib.machinery
import os
import re
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from .proxies import is_theirs

_RUNNERS = frozenset({"unittest", "pytest"})
_HOOKS = re.compile(r"(?i)load_tests|pytest\w*|collect_ignore\w*|(set_?up|tear_?down)_?(module|function|class)?")
"""Names under which a runner looks in a test for functions of its own."""


def _inner(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant


def free_names(code: types.CodeType) -> set[str]:
    """Return the names that a code takes from its surroundings, and does not bind itself."""
    read: set[str] = set()
    bound: set[str] = set()
    codes = [code]
    while codes:
        one = codes.pop()
        codes += _inner(one)
        for instruction in dis.get_instructions(one):
            if instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL"):
                read.add(str(instruction.argval))
            elif instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
                bound.add(str(instruction.argval))
    return read - bound


def is_builtin(name: str) -> bool:
    """Tell whether a name is a builtin's."""
    return hasattr(builtins, name)


def meant_as_solutions(borrowed: Iterable[str], code: types.CodeType) -> set[str]:
    """Return the names, of a builtin or of an import, by which a test means what the solution has under them.

    In `assert sum([1]) == 1` that can only be a `sum` of the solution's. In `assert sum(f(2)) == 1` it is `f`, and
    `sum` is Python's.
    """
    meant = set(borrowed)
    names_another = meant and not free_names(code) <= {*dir(builtins), *_RUNNERS, *meant}
    return set() if names_another else meant


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
    for inner in _inner(code):
        yield from _attributes_of(name, inner)


class Names(dict[str, Any]):
    """The builtins of a test's namespace; what Python finds neither there nor here is looked up in the solution.

    The program is asked for a name when the test uses it, and learns no other word of the test.

    Args:
        session: of the test, a `session.JudgeSession`.
        namespace: of the test, which keeps what was found.
        code: that runs in it.
    """

    def __init__(self, session: Any, namespace: dict[str, Any], code: types.CodeType) -> None:
        # Python takes these two from the dictionary itself. A copy of all builtins would be a copy of their memory.
        super().__init__(__import__=builtins.__import__, __build_class__=builtins.__build_class__)
        self._meant = meant_as_solutions(session.shared, code)
        self._session = session
        self._namespace = namespace
        self._code = code

    def __missing__(self, name: str) -> Any:
        if is_builtin(name) and name not in self._meant:
            self[name] = getattr(builtins, name)
            return self[name]
        if name.startswith("__") or name in _RUNNERS:
            raise KeyError(name)
        if name in self._session.helpers:
            exec(compile(self._session.helpers[name], "<setup>", "exec"), self._namespace)
            return self._namespace[name]
        value = self._session.look_up(name, is_solutions=name in self._meant)
        # A solution with a function `math` does not keep a test from `math.isclose`.
        if is_theirs(value) and name in sys.stdlib_module_names:
            value = library_of(name, self._code) or value
        self._namespace[name] = value
        return value


class Solution(types.ModuleType):
    """The solution's module, as a test imports it; all requests about it go to the program."""

    def __init__(self, name: str, session: Any) -> None:
        super().__init__(name)
        self.__dict__["iterpref_session"] = session

    def __getattr__(self, name: str) -> Any:
        session = self.__dict__["iterpref_session"]
        if name == "__all__":
            return self._listed_for(sys._getframe(1))  # noqa: SLF001 - of the module that imports
        if name.startswith("__") and name not in ("__version__", "__author__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return session.ask("get", self.__name__, name)

    def _listed_for(self, frame: types.FrameType) -> list[str]:
        """Return the names that an import of all names brings to a test.

        It leaves those alone that the test has imported before, helpers of the setup, and what a runner would obey.
        """
        session = self.__dict__["iterpref_session"]
        listed = [name for name in session.ask("listed", self.__name__) if not _HOOKS.fullmatch(name)]
        own = set(frame.f_globals)
        if isinstance(frame.f_builtins, Names):
            own |= session.helpers.keys()
        # Another import of the solution would have something else to test than what it has under builtins' names.
        instructions = dis.get_instructions(frame.f_code)
        imported = [each.argval for each in instructions if each.opname == "IMPORT_NAME"]
        meant: set[str] = set()
        if imported.count(self.__name__) == 1:
            meant = meant_as_solutions(filter(is_builtin, listed), frame.f_code)
        return [name for name in listed if name not in own and (name in meant or not is_builtin(name))]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            self.__dict__["iterpref_session"].ask("set", self.__name__, name, value)


class Finder:
    """Finds the solution, in the other process.

    It derives from no class of `importlib.abc`, which imports `tempfile` and all that this needs.
    """

    def __init__(self, session: Any, modules: list[str]) -> None:
        self._session = session
        self._modules = modules

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        """Return the spec of the solution, or of a package that it lies in: `lib` for the solution `lib.sums`."""
        if name in self._modules:
            return importlib.machinery.ModuleSpec(name, self)  # type: ignore[arg-type]
        holds_it = any(module.startswith(f"{name}.") for module in self._modules)
        if not holds_it or self._session.has_file(name):
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        folder = os.path.join(self._session.folder, name.replace(".", "/"))
        spec.submodule_search_locations = [folder]
        return spec

    def module(self, name: str) -> types.ModuleType:
        """Return the solution's module as an import would leave it."""
        found: types.ModuleType = self._session.solution(name)
        found.__loader__ = self  # type: ignore[assignment]
        found.__spec__ = importlib.machinery.ModuleSpec(name, self)  # type: ignore[arg-type]
        return found

    def create_module(self, spec: Any) -> types.ModuleType | None:
        """Return the solution's module; None, as Python asks for, where a plain one will do."""
        return self._session.solution(spec.name) if spec.name in self._modules else None

    def exec_module(self, module: types.ModuleType) -> None:
        """Have the program run the solution."""
        if module.__name__ in self._modules:
            self._session.load(module.__name__)
