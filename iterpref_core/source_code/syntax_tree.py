"""Syntax tree of a Python program, and one error for all that has none."""

import ast
import threading
import warnings
from typing import Any

PARSE_LOCK = threading.RLock()


def parse(code: str, mode: str = "exec") -> Any:
    """`ast.parse`, one thread at a time: where two parse, CPython may fail (`AST constructor recursion depth`)."""
    with PARSE_LOCK:
        return ast.parse(code, mode=mode)


def parse_source(code: str) -> ast.Module:
    """The syntax tree of a program.

    Raises:
        SyntaxError: it is no Python, or holds what Python's parser gives up at, such as too deep a nest.
    """
    with PARSE_LOCK, warnings.catch_warnings(action="ignore"):  # the program's own, such as invalid escapes
        try:
            return ast.parse(code)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error) if isinstance(error, ValueError) else "nested too deeply") from None
