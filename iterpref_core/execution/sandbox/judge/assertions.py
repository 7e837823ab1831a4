"""Assertions of a test: how many were reached."""

import ast
import re
from types import CodeType

from ...kinds.reports import REACHED

_DEEP = re.compile(r"(?<!\n)(?<!\A)\bassert\b")
"""An assertion within another statement; or the word, in a text or a comment."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)


def is_deep(source: str) -> bool:
    """Tell whether a source may have assertions that a run of it passes by."""
    return _DEEP.search(source) is not None


class Counted(ast.NodeTransformer):
    """A source that counts its assertions.

    Attributes:
        code: of the source, with a call before each assertion.
        should_be_reached: the source has assertions, besides `assert False`, and does more than to define something.
        reached: how many were run, right or wrong.
    """

    def __init__(self, source: str, filename: str) -> None:
        self.reached = 0
        tree = ast.parse(source, filename)
        asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        defines = all(isinstance(node, _DEFINITIONS) and not _calls(node) for node in tree.body)
        self.should_be_reached = not defines and any(not isinstance(node.test, ast.Constant) for node in asserts)
        self.code: CodeType = compile(self.visit(tree), filename, "exec", dont_inherit=True)

    def count(self) -> None:
        """Count one."""
        self.reached += 1

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        """Return a call and the assertion."""
        call = ast.Expr(ast.Call(ast.Name(REACHED, ast.Load()), [], []))
        return [ast.fix_missing_locations(ast.copy_location(call, node)), node]


def _calls(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
