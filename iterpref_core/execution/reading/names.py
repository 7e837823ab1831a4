"""Names: the meanings of the names of a test, at the place that has been read."""

import ast
import builtins
from collections.abc import Iterable
from enum import Enum, auto
from typing import Any, NamedTuple

from iterpref_core.execution.reading.literals import is_literal
from iterpref_core.execution.reading.sources import STAR_MODULES, library_names

BUILTINS = frozenset(dir(builtins))
_LIBRARIES = frozenset({"collections", "datetime", "decimal", "fractions", "math", "string"})
"""Modules whose functions may make an argument of literals."""
_MAKERS = frozenset({"bytearray", "bytes", "chr", "dict", "list", "ord", "range", "set", "tuple"})
"""Builtins that may."""


class InsideError(Exception):
    """A test that the supervisor cannot decide by itself; the message says which part of the test it cannot read."""


class Origin(Enum):
    """The source of a name's value."""

    SOLUTION = auto()  # a function, class or module of the solution: `f`
    OBJECT = auto()  # made by a class of the solution: the stack of `stack = Stack()`
    RESULT = auto()  # returned by a function of the solution: the y of `y = f(2)`
    LITERAL = auto()  # stated by the test: the xs of `xs = [3, 1]`
    LIBRARY = auto()  # imported, or a builtin: `math`, `len`
    MADE = auto()  # put together by the test, to be handed over: the args of `args = [f(1), 2]`
    UNKNOWN = auto()  # nobody can say


THEIRS = frozenset({Origin.SOLUTION, Origin.OBJECT, Origin.RESULT, Origin.MADE})
"""Origins of values that may be objects of the solution's."""


class Name(NamedTuple):
    """The meaning of a name.

    Attributes:
        origin: of its value.
        value: of a literal.
        source: of the expression that the name was bound to, for people; of a library's name the path, such as
            `math.isclose`.
        makers: builtins by which a literal's value is made.
    """

    origin: Origin
    value: Any = None
    source: str = ""
    makers: frozenset[str] = frozenset()


class Names:
    """The names of a test.

    Args:
        shared: a name that nothing has bound is the solution's.
        refused: names that are read as no expected values.

    Attributes:
        bound: the meaning of each bound name.
        expected: names that were read as expected values.
        of_setup: names that the setup binds.
        computed: names that were bound to what the program has computed.
    """

    def __init__(self, *, shared: bool, refused: frozenset[str] = frozenset()) -> None:
        self.shared = shared
        self.bound: dict[str, Name] = {}
        self.expected: set[str] = set()
        self.of_setup: set[str] = set()
        self.computed: set[str] = set()
        self._refused = refused

    def of(self, name: str) -> Name:
        """Return the meaning of a name.

        Raises:
            InsideError: nobody can say.
        """
        found = self.bound.get(name)
        if found is None and name in BUILTINS:
            return Name(Origin.LIBRARY, source=name)
        if found is None and self.shared:
            return Name(Origin.SOLUTION)
        if found is None or found.origin is Origin.UNKNOWN:
            raise InsideError(f"the name {name}")
        return found

    def bind_import(self, node: ast.Import | ast.ImportFrom, solution: str = "") -> frozenset[str]:
        """Bind the names of an import; return those, or none where the import has to run in any case.

        Args:
            node: the import.
            solution: name of the solution's module.

        Raises:
            InsideError: nobody can say which names there are.
        """
        bound: dict[str, Name] = {}
        for alias in node.names:
            if isinstance(node, ast.Import):
                name = alias.asname or alias.name.partition(".")[0]
                module, path = alias.name, alias.name if alias.asname else name
            else:
                name = alias.asname or alias.name
                module, path = "." * node.level + (node.module or ""), f"{node.module}.{alias.name}"
            if module != solution and name != "*":
                # `from math import isclose as near`: near has the path `math.isclose`.
                bound[name] = Name(Origin.LIBRARY, source=path)
            elif module != solution:
                # `from math import *`: to know its names, this process has to import it.
                if module not in STAR_MODULES:
                    raise InsideError(f"all names of {module}")
                bound |= {each: Name(Origin.LIBRARY, source=f"{module}.{each}") for each in library_names(module)}
            elif name == "*":
                # `xs = [3, 1]; from solution import *`: the program may have an xs of its own.
                if self.bound.keys() - self.of_setup - {"unittest"}:
                    raise InsideError("all names of the solution, after others")
                self.shared = True
            else:
                bound[name] = Name(Origin.SOLUTION)
        self.bound |= bound
        is_library = all(name.origin is Origin.LIBRARY for name in bound.values())
        return frozenset(bound) if is_library and _succeeds(node) else frozenset()

    def path(self, node: ast.expr) -> str:
        """Return the path of a library's name, such as `math.isclose`; empty if an expression is no such name."""
        if isinstance(node, ast.Attribute):
            owner = self.path(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        if isinstance(node, ast.Name):
            found = self.bound.get(node.id)
            if found is None:
                return node.id if node.id in BUILTINS else ""
            return found.source if found.origin is Origin.LIBRARY else ""
        return ""

    def is_stated(self, node: ast.expr) -> bool:
        """Tell whether an expression is a literal whose names mean Python's own builtins."""
        return is_literal(node) and not loaded(node) & self.bound.keys()

    def expect(self, name: str) -> Name:
        """Return the meaning of a name that is read as an expected value.

        Raises:
            InsideError: it is no literal's.
        """
        found = self.of(name)
        if found.origin is not Origin.LITERAL or name in self._refused:
            raise InsideError(f"the expected value {name}")
        self.expected.add(name)
        return found

    def is_class(self, node: ast.expr) -> bool:
        """Tell whether an expression is a class of the solution, by its name: `Solution`."""
        return isinstance(node, ast.Name) and node.id[:1].isupper() and self.of(node.id).origin is Origin.SOLUTION

    def is_theirs(self, function: ast.expr) -> bool:
        """Tell whether a function is the solution's: `f`, `solution.f`, `Stack().push`, `stack.push`."""
        match function:
            case ast.Name(name):
                return self.of(name).origin is Origin.SOLUTION
            case ast.Attribute(value=ast.Call() as made) if self.is_class(made.func):
                self.check_runs(made)
                return True
            case ast.Attribute(value=owner):
                # `stack.items.append`: the first name decides.
                while isinstance(owner, ast.Attribute):
                    owner = owner.value
                return isinstance(owner, ast.Name) and self.of(owner.id).origin in (Origin.SOLUTION, Origin.OBJECT)
        return False

    def are_theirs(self, nodes: Iterable[ast.AST]) -> bool:
        """Tell whether a part of some expressions may be an object of the solution's."""
        return any(self.of(name).origin in THEIRS for node in nodes for name in loaded(node))

    def check_runs(self, node: ast.AST) -> None:  # noqa: C901 - a form a case
        """See that an expression of the test may run in the program's process: it decides nothing there.

        An object of the solution's may equal anything. So it is handed to functions of the solution alone, and nothing
        is computed with it.

        Raises:
            InsideError: it may decide something, or has a name of unknown origin.
        """
        match node:
            case ast.Name(name):
                self.of(name)
            case ast.Call(func=function, args=args, keywords=keywords) if self.is_theirs(function):
                # `f(g(1), [2])`: its own functions may do with its objects what they like.
                for part in (*args, *keywords):
                    self.check_runs(part)
            case ast.Attribute() if self.is_theirs(node):
                pass
            case ast.keyword(value=value) | ast.Starred(value=value):
                self.check_runs(value)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                for part in parts:
                    self.check_runs(part)
            case ast.Call(func=function, args=args, keywords=keywords) if self._is_maker(function):
                # `set(f(1))` would ask an object of the program's for its hash and for `==`; `set([1])` does not.
                for part in (*args, *(keyword.value for keyword in keywords)):
                    if not is_literal(part):
                        raise InsideError(f"{type(part).__name__} in an argument")
            case ast.expr() if is_literal(node) or self._is_of_a_library(node):
                pass
            case _:
                raise InsideError(f"{type(node).__name__} in a part that runs before")

    def _is_maker(self, function: ast.expr) -> bool:
        return self.path(function) in _MAKERS or self._is_of_a_library(function)

    def _is_of_a_library(self, node: ast.expr) -> bool:
        return self.path(node).partition(".")[0] in _LIBRARIES


def _succeeds(node: ast.Import | ast.ImportFrom) -> bool:
    """Tell whether an import of a library that is installed cannot fail."""
    if isinstance(node, ast.Import):
        return not any("." in alias.name for alias in node.names)
    return node.module in STAR_MODULES and {alias.name for alias in node.names} <= set(library_names(node.module))


def loaded(node: ast.AST) -> set[str]:
    """Return the names that an expression reads."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def stored(tree: ast.AST) -> set[str]:
    """Return all names that a tree binds."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(name, ast.Store() | ast.Del()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                found.update(alias.asname or alias.name.partition(".")[0] for alias in aliases)
    return found
