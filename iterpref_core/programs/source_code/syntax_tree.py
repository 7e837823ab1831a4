"""Syntax trees of Python programs, with one error for every text that has none."""

import ast
import threading
import warnings
from functools import lru_cache
from typing import Any

PARSE_LOCK = threading.RLock()


def parse_source(code: str) -> ast.Module:
    """Return the syntax tree of a program.

    Raises:
        SyntaxError: the text is not Python, or Python's parser gives up on it (too deep a nest, for example).
    """
    tree: ast.Module = _parse(code, "exec")
    return tree


def parse_expression(code: str) -> ast.expr:
    """Return the syntax tree of an expression.

    Raises:
        SyntaxError: as for `parse_source`.
    """
    expression: ast.expr = _parse(code.strip(), "eval").body
    return expression


def _parse(code: str, mode: str) -> Any:
    # One thread at a time: if two parse, CPython may fail (`AST constructor recursion depth`).
    # The program's own warnings, such as of invalid escapes, are not ours to show.
    with PARSE_LOCK, warnings.catch_warnings(action="ignore"):
        try:
            # Python reads a file that begins with a byte order mark, and refuses a text that does.
            return ast.parse(code.removeprefix("\ufeff"), mode=mode)
        except ValueError as error:
            raise SyntaxError(str(error)) from None
        except (RecursionError, MemoryError):
            raise SyntaxError("nested too deeply") from None


# A pair is asked several questions, one after the other, about the trees of both of its programs.
@lru_cache(maxsize=4)
def shared_tree(code: str) -> ast.Module:
    """Return the syntax tree of a program for reading: callers share the tree, and must not change it.

    Raises:
        SyntaxError: as for `parse_source`.
    """
    return parse_source(code)
