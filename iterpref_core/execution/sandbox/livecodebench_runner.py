"""Console programs: what one reads on standard input, what it prints on standard output.

LiveCodeBench's own runner puts objects of Python's in the place of the console, on which some programs fail that would
not on a real one; so it is here.
"""

import ast
import builtins
import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import Any

_MAIN = "__name__ == '__main__'"


class _Stdin:
    """What `sys.stdin` is in LiveCodeBench's runner: without a buffer, and no iterator, so that loops over it fail."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text)
        self.read = lambda *_: text
        self.readlines = lambda *_: text.split("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lines, name)


def _as_function(source: str) -> ast.Module:
    """The tree of a program as the body of a function; imports stay outside, a last `if` of `__main__` is undone."""
    tree = ast.parse(source)
    body = tree.body
    if body and isinstance(body[-1], ast.If) and ast.unparse(body[-1].test) == _MAIN:
        body[-1:] = body[-1].body
    imports: list[ast.stmt] = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    rest = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    function = ast.parse("def program(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = rest or function.body
    tree.body = [*imports, function]
    return ast.fix_missing_locations(tree)


def run_as_function(stdin: str, source: str, load: Callable[[Any], dict[str, Any]]) -> str:
    """Run a program that reads a text as LiveCodeBench's own runner does; returns what it prints.

    `load` runs what makes a tree, as `__main__`, and returns the namespace.
    """
    builtins.quit = builtins.exit = None  # type: ignore[assignment]
    named: Any = open(os.devnull)  # noqa: SIM115 - what a program has that imports the name `stdin`
    sys.stdin, sys.stdout = named, open(os.devnull, "w")  # noqa: SIM115
    program = load(lambda: _as_function(source))["program"]
    if "class Solution" in source:
        raise AttributeError("the runner looks for the class Solution outside of the function that it makes")
    lines = iter(stdin.split("\n"))
    named.read, named.readline = lambda *_: stdin, lambda *_: next(lines)
    named.readlines = lambda *_: stdin.split("\n")
    printed = io.StringIO()
    sys.stdin, sys.stdout = _Stdin(stdin), printed
    with contextlib.suppress(SystemExit):
        program()
    return printed.getvalue()
