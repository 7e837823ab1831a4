"""Parse the sources of tests."""

import ast

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


def compile_problem(error: BaseException) -> str:
    """Return why a test's source is not Python, for people."""
    reason = str(error)
    line = ""
    if isinstance(error, SyntaxError):
        reason = error.msg
        line = f", line {error.lineno}" if error.lineno else ""
    return f"the test cannot be compiled: {type(error).__name__}: {reason}{line}"
