"""Console programs: what one reads on standard input, what it prints on standard output.

Files stand behind both, not objects of Python's, so that `input()`, `sys.stdin.buffer`, `os.read(0, …)` and
`os.write(1, …)` are the same to the program as on a real console. LiveCodeBench's own runner puts objects in their
place, on which some of that fails: `run_as_function` does as it does.
"""

import ast
import atexit
import builtins
import contextlib
import gc
import io
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from .encoding import encode

MAX_PRINTED = 8 << 20
"""Bytes beyond which what was printed is passed on as its size alone."""

_MAIN = "__name__ == '__main__'"

Load = Callable[[Any], dict[str, Any]]
"""Runs source, or its tree, as `__main__`; returns the namespace."""


def run_as_script(stdin: str, load: Load, source: str) -> str:
    """Run a program as a script that reads a text; returns what it prints, encoded. Errors go nowhere."""
    output = os.dup(1)  # a program may close its own
    with open(".stdin", "w+b") as file:
        file.write(stdin.encode("utf-8", "surrogatepass"))
        file.seek(0)
        os.unlink(".stdin")
        os.dup2(file.fileno(), 0)
    os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
    with contextlib.suppress(SystemExit):  # a script may end itself; what it has printed counts
        load(source)
    _end_as_a_script()
    for stream in (sys.stdout, sys.__stdout__):
        # It may be closed, or an object of the program's own, which may raise anything.
        with contextlib.suppress(BaseException):
            stream.flush()  # type: ignore[union-attr]
    size = os.lseek(output, 0, os.SEEK_END)
    return f"#{size}:" if size > MAX_PRINTED else encode(os.pread(output, size, 0).decode("utf-8", "replace"))


def _end_as_a_script() -> None:
    """What the interpreter does at the end: threads finish, `atexit` functions run, files that are left are flushed."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()  # noqa: SLF001
    if (main := sys.modules.pop("__main__", None)) is not None:
        vars(main).clear()
    gc.collect()


class _Stdin:
    """What `sys.stdin` is in LiveCodeBench's runner: without a buffer, and no iterator, so that loops over it fail."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text)
        self.read = lambda *_: text
        self.readlines = lambda *_: text.split("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lines, name)


def _as_function(source: str, filename: str) -> ast.Module:
    """The tree of a program as the body of a function; imports stay outside, a last `if` of `__main__` is undone."""
    tree = ast.parse(source, filename)
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


def run_as_function(stdin: str, load: Load, source: str, filename: str) -> str:
    """Run a program as LiveCodeBench's own runner does; returns what it prints, encoded."""
    builtins.quit = builtins.exit = None  # type: ignore[assignment]
    named: Any = open(os.devnull)  # noqa: SIM115 - what a program has that imports the name `stdin`
    sys.stdin, sys.stdout = named, open(os.devnull, "w")  # noqa: SIM115
    program = load(_as_function(source, filename))["program"]
    if "class Solution" in source:
        raise AttributeError("the runner looks for the class Solution outside of the function that it makes")
    lines = iter(stdin.split("\n"))
    named.read, named.readline = lambda *_: stdin, lambda *_: next(lines)
    named.readlines = lambda *_: stdin.split("\n")
    printed = io.StringIO()
    sys.stdin, sys.stdout = _Stdin(stdin), printed
    with contextlib.suppress(SystemExit):
        program()
    text = printed.getvalue()
    return f"#{len(text)}:" if len(text) > MAX_PRINTED else encode(text)
