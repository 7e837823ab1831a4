"""Assertions of a test: whether one was reached."""

import ast
import re
from collections.abc import Callable
from types import CodeType
from typing import Any

from ...kinds.reports import TestFailedError, compiled

_REACHED = "__iterpref_reached__"
"""Name of the function that a test calls before each of its assertions."""
_DEEP = re.compile(r"(?<!\n)(?<!\A)\bassert\b")
"""An assertion within another statement, which a run may pass by; or the word, in a text or a comment."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign)


class Counted(ast.NodeTransformer):
    """A source that counts its assertions: a loop over nothing asserts nothing, and passes with any program.

    Attributes:
        code: of the source, with a call before each assertion.
        should_be_reached: the source has assertions, besides `assert False`, and does more than to define something.
        reached: how many were run, right or wrong.
    """

    def __init__(self, source: str, filename: str) -> None:
        self.reached = 0
        self.should_be_reached = False
        self.code: CodeType = compiled(source, filename)
        if not _DEEP.search(source):
            return
        tree = ast.parse(source)
        asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        is_run = any(not isinstance(node, _DEFINITIONS) and not _is_text(node) for node in tree.body)
        self.should_be_reached = is_run and any(not isinstance(node.test, ast.Constant) for node in asserts)
        self.code = compile(self.visit(tree), filename, "exec", dont_inherit=True)

    def run(self, namespace: dict[str, Any], run: Callable[[CodeType, dict[str, Any]], int]) -> None:
        """Run the source; `run` returns how many cases of tests have run.

        Raises:
            TestFailedError: it came to none of its assertions.
        """
        namespace[_REACHED] = self.count
        ran = run(self.code, namespace)
        if self.should_be_reached and not ran and not self.reached:
            raise TestFailedError("no assertion of the test was reached")

    def count(self) -> None:
        """Count one."""
        self.reached += 1

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        """Return a call and the assertion."""
        call = ast.Expr(ast.Call(ast.Name(_REACHED, ast.Load()), [], []))
        return [ast.fix_missing_locations(ast.copy_location(call, node)), node]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
