"""Names: what the names of a test stand for, at the place that has been read."""

import ast
import builtins
from enum import Enum, auto
from typing import Any, NamedTuple

from iterpref_core.execution.reading.literals import is_mutable
from iterpref_core.execution.reading.sources import library_names

BUILTINS = frozenset(dir(builtins))


class InsideError(Exception):
    """A test that the supervisor cannot decide by itself; the message says which part of the test it cannot read."""


class Origin(Enum):
    """Where the value of a name comes from."""

    SOLUTION = auto()  # a function, class or module of the solution
    OBJECT = auto()  # made by a class of the solution
    RESULT = auto()  # returned by a function of the solution
    LITERAL = auto()  # stated by the test
    LIBRARY = auto()  # imported
    OWN = auto()  # defined or computed by the test
    GONE = auto()  # a local name of a function that has been read


class Name(NamedTuple):
    """What a name stands for.

    Attributes:
        origin: of its value.
        value: of a literal; of a name for a function of the solution, the expression that it was given by.
        path: of a library's name, such as `math.isclose`.
    """

    origin: Origin
    value: Any = None
    path: str = ""


class Names:
    """The names of a test.

    Args:
        shared: a name that nothing has bound is the solution's.
        refused: names that are read as no expected values.

    Attributes:
        bound: what each bound name stands for.
        changing: names that were read as expected values that can change, such as lists.
    """

    def __init__(self, *, shared: bool, refused: frozenset[str] = frozenset()) -> None:
        self.shared = shared
        self.bound: dict[str, Name] = {}
        self.changing: set[str] = set()
        self._refused = refused

    def of(self, name: str) -> Name:
        """Return what a name stands for.

        Raises:
            InsideError: nobody can say.
        """
        found = self.bound.get(name)
        if found is not None:
            if found.origin is Origin.GONE:
                raise InsideError(f"the name {name} of two functions")
            return found
        if name in BUILTINS:
            return Name(Origin.LIBRARY, path=name)
        if self.shared:
            return Name(Origin.SOLUTION)
        raise InsideError(f"the unknown name {name}")

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
            if module == solution:
                if alias.name == "*":
                    self.shared = True
                else:
                    self.bound[name] = Name(Origin.SOLUTION)
            elif alias.name == "*":
                bound |= {each: Name(Origin.LIBRARY, path=f"{module}.{each}") for each in library_names(module)}
            else:
                bound[name] = Name(Origin.LIBRARY, path=path)
        self.bound |= bound
        return frozenset(bound) if all(alias.name != "*" for alias in node.names) else frozenset()

    def path(self, node: ast.expr) -> str:
        """Return the path of a library's name, such as `math.isclose`; empty if an expression is no such name."""
        if isinstance(node, ast.Attribute):
            owner = self.path(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        if isinstance(node, ast.Name):
            found = self.bound.get(node.id)
            if found is None:
                return node.id if node.id in BUILTINS else ""
            return found.path
        return ""

    def origin(self, node: ast.expr) -> Origin:
        """Return where an expression's outermost name comes from: of `s.items[0]` that of `s`."""
        while isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        return self.of(node.id).origin if isinstance(node, ast.Name) else Origin.OWN

    def expect(self, name: str) -> Any:
        """Return the value of a name that is read as an expected value.

        Raises:
            InsideError: it is no literal's.
        """
        found = self.of(name)
        if found.origin is not Origin.LITERAL or name in self._refused:
            raise InsideError(f"the expected value {name}")
        if is_mutable(found.value):
            self.changing.add(name)
        return found.value

    def check_used(self, node: ast.AST) -> None:
        """See that an expression or a statement can run before a comparison and decides nothing by itself.

        Raises:
            InsideError: it asserts, or has a name of which nobody can say what it is.
        """
        for part in ast.walk(node):
            if isinstance(part, ast.Assert | ast.Raise | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
                raise InsideError(f"{type(part).__name__} in a part of the test")
            word = part.attr if isinstance(part, ast.Attribute) else part.id if isinstance(part, ast.Name) else ""
            if word.startswith(("assert", "_assert")):
                raise InsideError(f"the assertion {word}")
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                self._check_name(part.id, node)

    def _check_name(self, name: str, node: ast.AST) -> None:
        found = self.bound.get(name)
        if found is not None and found.origin is Origin.GONE:
            raise InsideError(f"the name {name} of two functions")
        if found is None and name not in BUILTINS and not self.shared:
            local = {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
            local |= {
                part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            }
            if name not in local:
                raise InsideError(f"the unknown name {name}")
