"""Names: what the names of a test stand for, at the place that has been read."""

import ast
import builtins
from collections.abc import Set
from enum import Enum, auto
from typing import Any, NamedTuple

from iterpref_core.execution.reading.literals import is_mutable
from iterpref_core.execution.reading.sources import library_names

BUILTINS = frozenset(dir(builtins))
_OF_A_VALUE = """
    abs bytes dict float frozenset int len list max min repr round set sorted str sum tuple
"""
OF_A_VALUE = frozenset(_OF_A_VALUE.split())
"""Builtins that the program may apply to one value: none of them knows what is expected."""
_CODE = ast.FunctionDef | ast.Lambda | ast.ClassDef
_SCOPES = _CODE | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


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
        withheld: names of expected values that the program may not see, or may not change, such as those of lists.
        stated: names of the other expected values of the assertion that is read.
        touched: names whose values a function of the test's may have changed.
    """

    def __init__(self, *, shared: bool, refused: frozenset[str] = frozenset()) -> None:
        self.shared = shared
        self.bound: dict[str, Name] = {}
        self.withheld: set[str] = set()
        self.stated: set[str] = set()
        self.touched: set[str] = set()
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
        (self.withheld if is_mutable(found.value) else self.stated).add(name)
        return found.value

    def has_results(self, *nodes: ast.AST, local: Set[str] = frozenset()) -> bool:
        """Tell whether a part of some expressions is the solution's, or comes from it.

        Args:
            nodes: the expressions.
            local: names of a function around them.
        """
        theirs = (Origin.SOLUTION, Origin.RESULT, Origin.OBJECT, Origin.OWN)
        parts = [part for node in nodes for part in ast.walk(node)]
        stored = {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        stored |= {part.arg for part in parts if isinstance(part, ast.arg)}
        loaded = {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
        return any(self.of(name).origin in theirs for name in loaded - stored - local)

    def touch(self, node: ast.AST) -> None:
        """Note that an expression or a statement runs: with functions of the test's, it may change any value.

        `seen = []; f(lambda x: seen.append(x == 4))`: what equals 4 was decided in the program's process.
        """
        for part in ast.walk(node):
            named = self.bound.get(part.id) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) else None
            if isinstance(part, _CODE) or (named is not None and named.origin is Origin.OWN):
                self.touched |= self.bound.keys()

    def check_used(self, node: ast.AST) -> None:
        """See that an expression or a statement can run before a comparison and decides nothing by itself.

        Raises:
            InsideError: it asserts, or may compare a result, or has a name of which nobody can say what it is.
        """
        scopes = [part for part in ast.walk(node) if isinstance(part, _SCOPES)]
        local = {part.arg for scope in scopes for part in ast.walk(scope) if isinstance(part, ast.arg)}
        local |= {
            part.id
            for scope in scopes
            for part in ast.walk(scope)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
        for part in ast.walk(node):
            if isinstance(part, ast.Assert | ast.Raise | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
                raise InsideError(f"{type(part).__name__} in a part of the test")
            word = part.attr if isinstance(part, ast.Attribute) else part.id if isinstance(part, ast.Name) else ""
            if word.startswith(("assert", "_assert")):
                raise InsideError(f"the assertion {word}")
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                self._check_name(part.id, node)
            if self._decides(part, local):
                raise InsideError(f"{type(part).__name__} of a result, in a part of the test")

    def _decides(self, part: ast.AST, local: Set[str]) -> bool:
        """Tell whether a part of the test may compare a result: an object of the program's may equal anything."""
        match part:
            case ast.Compare() | ast.BinOp() | ast.BoolOp() | ast.UnaryOp() | ast.IfExp():
                return self.has_results(part, local=local)
            case ast.Subscript(slice=index):
                return self.has_results(index, local=local)
            case ast.Call(func=ast.Name("round"), args=[_, ast.Constant()]):
                return False
            case ast.Call(func=ast.Name(name), args=[ast.Name() | ast.Call() | ast.Attribute() | ast.Subscript()]):
                if name in OF_A_VALUE or name == "print":
                    return False
        if not isinstance(part, ast.Call) or self._is_theirs(part.func):
            return False
        return self.has_results(*part.args, *(keyword.value for keyword in part.keywords), local=local)

    def _is_theirs(self, function: ast.expr) -> bool:
        """Tell whether a function is the solution's, or a method of an object of the solution's."""
        match function:
            case ast.Attribute(value=ast.Call(func=ast.Name(name))):
                return self.of(name).origin is Origin.SOLUTION and name[:1].isupper()
        return self.origin(function) in (Origin.SOLUTION, Origin.OBJECT)

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
