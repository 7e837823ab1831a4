"""Assertions of a test: how many were reached, and those that failed where the program has caught the failure.

A loop over no files asserts nothing, and passes with any program. An assertion that fails in a callback, or in the
block of a context manager, raises an error that the program could catch. The judge has seen both.
"""

import ast
import builtins
import functools
import re
import unittest
from collections.abc import Callable, Iterable
from itertools import chain
from types import CodeType, TracebackType
from typing import Any

from ...codec.arrays import is_numpy_scalar
from ...codec.data_types import PARTS
from ...kinds.reports import TestFailedError
from .comparisons import Comparisons

_REACHED = "__iterpref_reached__"
_IDENTICAL = "__iterpref_identical__"
_IS = re.compile(r"\bis\b")
_NEAR = re.compile(r"allclose|isclose|testing|assert_")
_COPIED = frozenset({str, int, float, complex, bytes, tuple, frozenset, *PARTS})
"""Types that cannot be changed, whose values cross as copies: none is the same object on its way back."""
_DEEP = re.compile(r"(?<!\n)(?<!\A)\bassert\b")
"""An assertion within another statement; or the word, in a text or a comment."""
_DEFINITIONS = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
)


class Assertions:
    """The assertions of the sources that a judge runs.

    Args:
        setup_imports: name, module and attribute of all that the setup imports for the tests.

    Attributes:
        reached: how many were run, right or wrong.
        has_met_copies: two values were compared by `is` that may be one object in plain Python.
    """

    def __init__(self, setup_imports: Iterable[tuple[str, str, str]] = ()) -> None:
        self.reached = 0
        self.has_met_copies = False
        # All texts of the test count together: one file may import numpy, and another one compare.
        self._says_numpy = False
        self._says_near = False
        self._note_words(" ".join(chain.from_iterable(setup_imports)))
        # Files in which assertions are counted; in others, all are reached or there are none.
        self._counted: set[str] = set()
        self._sources: dict[str, str | bytes | ast.Module] = {}
        self._comparisons = Comparisons(self._sources.__contains__)

    def count_in(self, namespace: dict[str, Any]) -> None:
        """Have the assertions of code that runs in a namespace counted."""
        namespace[_REACHED] = self._count
        namespace[_IDENTICAL] = self.identical

    def _count(self) -> None:
        self.reached += 1

    def identical(self, one: Any, other: Any) -> bool:
        """Return whether two values are one object, and note if that is so only because one is a copy."""
        kind = type(one)
        is_copied = kind is type(other) and (kind in _COPIED or issubclass(kind, tuple))
        if one is other or not (is_copied or (is_numpy_scalar(one) and is_numpy_scalar(other))):
            return one is other
        # Of tuples, items are not compared: that could mean to ask the program.
        is_alike = len(one) == len(other) if issubclass(kind, tuple | frozenset) else one == other
        self.has_met_copies = self.has_met_copies or bool(is_alike)
        return False

    def watch_unittest(self) -> None:
        """Have the two methods of `unittest` that compare by `is` note copies, too."""
        for name in ("assertIs", "assertIsNot"):
            setattr(unittest.TestCase, name, self._watched(getattr(unittest.TestCase, name)))

    def _watched(self, method: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(method)
        def compare(case: unittest.TestCase, one: Any, other: Any, msg: Any = None) -> None:
            self.identical(one, other)
            method(case, one, other, msg)

        return compare

    def note_identities(self, source: str) -> None:
        """Note that a source which somebody else compiles compares by `is`, if it does."""
        if not _IS.search(source):
            return
        tree = ast.parse(source)
        before = ast.dump(tree)
        if ast.dump(_Identities().visit(tree)) != before:
            self.has_met_copies = True

    def know(self, filename: str, source: str | bytes) -> None:
        """Remember the source of a file that somebody else compiles."""
        self._sources[filename] = source
        text = source.decode("latin-1") if isinstance(source, bytes) else source
        self._note_words(text)
        if "approx" in text:
            self._comparisons.watch_pytest()
        if self._says_numpy and self._says_near:
            self._comparisons.watch_numpy()

    def _note_words(self, text: str) -> None:
        self._says_numpy = self._says_numpy or "numpy" in text
        self._says_near = self._says_near or _NEAR.search(text) is not None

    def check_comparisons(self) -> None:
        """See that each place that compares arrays has compared something.

        Raises:
            TestFailedError: in one place, nothing was compared with what was expected.
        """
        place = self._comparisons.of_nothing()
        if place is not None:
            raise TestFailedError(
                f"nothing was compared in line {place}: an array is empty, and its expected one is not"
            )

    def compiled(self, source: str | bytes, filename: str) -> CodeType:
        """Return the code of a source, which counts its assertions.

        Raises:
            SyntaxError: it is no Python.
        """
        self.know(filename, source)
        # `assert f(2) == 4` in the first column is reached by whoever comes to the end.
        text = source.decode("latin-1") if isinstance(source, bytes) else source
        self._counted.discard(filename)
        if not _DEEP.search(text) and not _IS.search(text):
            code: CodeType = compile(source, filename, "exec", dont_inherit=True)
            return code
        tree = ast.parse(source, filename)
        self._sources[filename] = tree
        self._counted.add(filename)
        counting = _with_counts(_Identities().visit(ast.parse(source, filename)).body)
        module = ast.Module(body=counting, type_ignores=[])
        counted: CodeType = compile(module, filename, "exec", dont_inherit=True)
        return counted

    def should_be_reached(self, filename: str, *, whole: bool) -> bool:
        """Tell whether a source has assertions that a run of it comes to.

        Args:
            filename: of the source.
            whole: it is all of a test; else it may be a part that only defines something.
        """
        tree = self._tree(filename) if filename in self._counted else None
        if tree is None or (not whole and all(_defines(node) for node in tree.body)):
            return False
        # `assert False` stands where a right program does not come to.
        asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        return any(not isinstance(node.test, ast.Constant) for node in asserts)

    def has_made(self, error: BaseException) -> bool:
        """Tell whether an error is the failure of an assertion: of a statement, or of a library's function."""
        is_of_pytest = type(error).__module__.startswith("_pytest.") and type(error).__name__ == "Failed"
        if not isinstance(error, AssertionError) and not is_of_pytest:
            return False
        trace = error.__traceback__
        if trace is None:
            return False
        while trace.tb_next is not None:
            trace = trace.tb_next
        return self._is_assertion(trace)

    def _is_assertion(self, trace: TracebackType) -> bool:
        tree = self._tree(trace.tb_frame.f_code.co_filename)
        if tree is None:
            return True  # a library's
        for node in ast.walk(tree):
            if isinstance(node, ast.Assert) and node.lineno <= trace.tb_lineno <= (node.end_lineno or 0):
                return True
        return False

    def _tree(self, filename: str) -> ast.Module | None:
        source = self._sources.get(filename)
        if source is None or isinstance(source, ast.Module):
            return source
        tree = ast.parse(source, filename)
        self._sources[filename] = tree
        return tree


class _Identities(ast.NodeTransformer):
    """The comparisons by `is` of a source, each put into the hands of `Assertions.identical`."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Change one that is no question about a constant, such as `x is None`."""
        self.generic_visit(node)
        sides = (node.left, *node.comparators)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Is | ast.IsNot):
            return node
        if any(isinstance(side, ast.Constant) or _is_a_class(side) for side in sides):
            return node
        made: ast.expr = ast.Call(ast.Name(_IDENTICAL, ast.Load()), list(sides), [])
        if isinstance(node.ops[0], ast.IsNot):
            made = ast.UnaryOp(ast.Not(), made)
        return ast.fix_missing_locations(ast.copy_location(made, node))


def _is_a_class(node: ast.expr) -> bool:
    """Tell whether an expression is `type(...)` or a builtin class, of which there is one."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "type"
    return isinstance(node, ast.Name) and isinstance(getattr(builtins, node.id, None), type)


def _defines(node: ast.stmt) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, _DEFINITIONS)


def _with_counts(statements: list[Any]) -> list[Any]:
    """Return statements with a call before each assertion, and those in them alike."""
    counted = []
    for statement in statements:
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(statement, name, None)
            if isinstance(inner, list):
                setattr(statement, name, _with_counts(inner))
        for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            part.body = _with_counts(part.body)
        if isinstance(statement, ast.Assert):
            call = ast.Expr(ast.Call(ast.Name(_REACHED, ast.Load()), [], []))
            counted.append(ast.fix_missing_locations(ast.copy_location(call, statement)))
        counted.append(statement)
    return counted
