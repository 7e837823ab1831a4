"""Inspect the sources of tests for assertions and errors of syntax."""

import ast
import re
from collections.abc import Iterable

from iterpref_core.programs.source_code.syntax_tree import parse

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""Errors of a source that is not Python."""


def parsed(source: str) -> ast.Module:
    """Return the tree of a test's source.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: the source is not Python.
    """
    tree: ast.Module = parse(source.removeprefix("\ufeff"))
    return tree


_ASSERTS = re.compile(
    "assert|raise|error|except|exit|fail|check|verif|test|main|equal|compare|valid|ensure", re.IGNORECASE
)
"""Words of a source that may find a program wrong."""


def may_assert(source: str) -> bool:
    """Return whether a test's source, or what it calls, may find a program wrong; else it sets something up."""
    return _ASSERTS.search(source) is not None


def asserts_at_once(source: str, later: Iterable[str]) -> bool:
    """Return whether an assertion of a test is reached for certain, in it or by what it defines for later tests.

    Args:
        source: of the test.
        later: the sources of the tests that come after it.
    """
    body = parsed(source).body
    if any(isinstance(node, ast.Assert) for node in body):
        return True
    # `def same(a, b): assert a == b` in one test, and `same(f(1), 2)` in the next one
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return any(not defined.isdisjoint(re.findall(r"\w+", each)) for each in later)


def compile_problem(error: BaseException) -> str:
    """Return why a test's source is not Python, for people."""
    reason = str(error)
    line = ""
    if isinstance(error, SyntaxError):
        reason = error.msg
        line = f", line {error.lineno}" if error.lineno else ""
    return f"the test cannot be compiled: {type(error).__name__}: {reason}{line}"
