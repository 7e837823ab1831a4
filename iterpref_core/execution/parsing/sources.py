"""Inspect the sources of tests for imports, assertions and errors of syntax."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator

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


def packages_of(tree: ast.Module, modules: frozenset[str]) -> tuple[str, ...]:
    r"""Return the packages that a test cannot do without: it imports them, not in a `try` or an `if`.

    >>> test = "import os, numpy.linalg\nfrom solution import f\nif f(1):\n    import pandas"
    >>> packages_of(parsed(test), frozenset({"solution"}))
    ('numpy',)

    Args:
        tree: of the test.
        modules: names that the solution and the test's own files are imported by.
    """
    # A module of the test itself, or of Python, needs no package.
    own = {module.partition(".")[0] for module in modules} | sys.stdlib_module_names
    return tuple(sorted({name.partition(".")[0] for name in _imported(tree)} - own))


def _imported(block: ast.AST) -> Iterator[str]:
    """Yield the modules that the statements of a block import, but for those in a `try` or an `if`."""
    for node in ast.iter_child_nodes(block):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)
        # `try: import numpy` works without numpy.
        elif isinstance(node, ast.stmt | ast.match_case) and not isinstance(node, ast.Try | ast.If):
            yield from _imported(node)


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
