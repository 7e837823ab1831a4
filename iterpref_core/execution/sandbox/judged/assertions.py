"""Assertions of a test: how many were reached, and those that failed where the program has caught the failure.

A loop over no files asserts nothing, and passes with any program. An assertion that fails in a callback, or in the
block of a context manager, raises an error that the program could catch. The judge has seen both.
"""

import ast
import re
from types import CodeType, TracebackType
from typing import Any

_REACHED = "__iterpref_reached__"
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

    Attributes:
        reached: how many were run, right or wrong.
    """

    def __init__(self) -> None:
        self.reached = 0
        # Files in which assertions are counted; in others, all are reached or there are none.
        self._counted: set[str] = set()
        self._sources: dict[str, str | bytes | ast.Module] = {}

    def count_in(self, namespace: dict[str, Any]) -> None:
        """Have the assertions of code that runs in a namespace counted."""
        namespace[_REACHED] = self._count

    def _count(self) -> None:
        self.reached += 1

    def know(self, filename: str, source: str | bytes) -> None:
        """Remember the source of a file that somebody else compiles."""
        self._sources[filename] = source

    def compiled(self, source: str | bytes, filename: str) -> CodeType:
        """Return the code of a source, which counts its assertions.

        Raises:
            SyntaxError: it is no Python.
        """
        self.know(filename, source)
        # `assert f(2) == 4` in the first column is reached by whoever comes to the end.
        text = source.decode("latin-1") if isinstance(source, bytes) else source
        self._counted.discard(filename)
        if not _DEEP.search(text):
            code: CodeType = compile(source, filename, "exec", dont_inherit=True)
            return code
        tree = ast.parse(source, filename)
        self._sources[filename] = tree
        self._counted.add(filename)
        counting = _with_counts(tree.body)
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
