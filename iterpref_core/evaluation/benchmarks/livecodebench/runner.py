"""Run a program by the rules of LiveCodeBench's own runner, as of one of two commits.

The sandbox runs this file before a test calls `run`, so it imports the standard library alone. The rules come from
github.com/LiveCodeBench/LiveCodeBench, file `lcb_runner/evaluation/testing_util.py`; `suite` names the commits. It puts
objects of Python's in the place of the console, and makes a function of a program that reads standard input. Some
programs fail there that would not on a real console, and so they do here:

    n = 0                   def wrapped_function():
    def f():                    n = 0
        global n      ->        def f():
        n += 1                      global n
    f()                             n += 1      # NameError: no global n
                                f()
"""

import ast
import builtins
import contextlib
import io
import os
import sys
import types
from collections.abc import Callable
from typing import Any

MODULE = "tmp_sol"
"""The `__name__` of a program."""
_STARRED = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json"),
)
NAMES = "\n".join(
    [
        *(f"from {module} import *" for module in (*_STARRED, "builtins", "typing")),
        *(f"import {module}" for module in _STARRED),
        "sys.setrecursionlimit(50000)",
        "sys.set_int_max_str_digits(50000)",
    ]
)
"""Names that every program finds, in the runner's order: later ones hide earlier ones."""

_MAIN = "__name__ == '__main__'"
_WITHOUT = {
    builtins: "quit help",
    os: "kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames truncate replace "
    "unlink fchmod fchown chmod chown chroot lchflags lchmod lchown getcwd chdir",
}
"""Functions that the runner replaces by None, except functions of shutil and subprocess."""
_NOT_IMPORTED = ("ipdb", "joblib", "resource", "psutil", "tkinter")


class _Stdin:
    """The standard input of the later commit: it has a buffer, and no loop runs over its lines."""

    def __init__(self, text: str) -> None:
        data = text.encode()
        self._lines = io.StringIO(text)
        first, _, _ = data.partition(b"\n")
        self.buffer = types.SimpleNamespace(read=lambda *_: data, readline=lambda *_: first + b"\n")
        self.read = lambda *_: text
        self.readlines = lambda *_: text.split("\n")

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of a text stream, such as `readline`."""
        return getattr(self._lines, name)


def _take_away() -> None:
    """Take from a program the functions that the runner takes."""
    for module, names in _WITHOUT.items():
        for name in names.split():
            setattr(module, name, None)
    modules: dict[str, Any] = sys.modules
    for name in _NOT_IMPORTED:
        modules[name] = None  # an import of it then raises ImportError


def _parse(source: str) -> ast.Module:
    """Return the tree of a program after the runner's imports, where a `__future__` import comes too late."""
    sys.modules.pop(MODULE, None)  # the runner's module is not among them, which `dataclass` notices
    tree = ast.parse(source, __file__)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            message = "from __future__ imports must occur at the beginning of the file"
            raise SyntaxError(message, (__file__, node.lineno, 0, ""))
    return tree


def _as_function(source: str) -> ast.Module:
    """Return a program as the body of a function; imports stay outside, a last `if` of `__main__` is undone."""
    tree = _parse(source)
    body = tree.body
    if body and isinstance(body[-1], ast.If) and ast.unparse(body[-1].test) == _MAIN:
        body = [*body[:-1], *body[-1].body]
    imports: list[ast.stmt] = []
    rest: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        else:
            rest.append(node)
    if not rest:
        raise SyntaxError("expected an indented block after function definition", (__file__, 1, 0, ""))
    function = ast.parse("def wrapped_function(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = rest
    tree.body = [*imports, function]
    ast.fix_missing_locations(tree)
    # LiveCodeBench's runner goes on with this text, and fails where it cannot be made.
    ast.unparse(tree)
    return tree


def _load(
    source: str,
    make_tree: Callable[[str], ast.Module],
) -> dict[str, Any]:
    """Run a program as a module after the names that it finds; return its namespace.

    Errors name the place where the sandbox looks for a program.
    """
    namespace = vars(types.ModuleType(MODULE)) | {"__file__": __file__, "__package__": ""}
    exec(NAMES, namespace)
    try:
        compiled = compile(make_tree(source), __file__, "exec", dont_inherit=True)
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, surrogates, nesting beyond a parser's stack
        raise SyntaxError(str(error), (__file__, 1, 0, "")) from None
    exec(compiled, namespace)
    return namespace


def run(
    source: str,
    stdin: str | None,
    function: str,
    arguments: tuple[Any, ...],
    has_buffer: bool,
) -> Any:
    """Run a program by the runner's rules; return its output, or the result of its function.

    Args:
        source: the program.
        stdin: the text that the program reads; None where a function is called.
        function: the name of the function; empty where the program reads.
        arguments: of the function.
        has_buffer: the rules are those of the later commit.
    """
    _take_away()
    if stdin is None:
        return _call(function, arguments, source)
    return _run_on_text(_Stdin(stdin) if has_buffer else io.StringIO(stdin), stdin, source)


def _run_on_text(stream: Any, stdin: str, source: str) -> str:
    """Run a program that reads a text; return its output."""
    named: Any = open(os.devnull)  # noqa: PTH123, SIM115 - the object of a program that imports the name `stdin`
    sys.stdin = named
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    namespace = _load(source, _as_function)
    if "class Solution" in source and "class Solution" in ast.unparse(ast.parse(source)):  # not in a comment
        raise AttributeError("the runner looks for the class Solution outside of the function that it makes")
    lines = iter(stdin.split("\n"))
    named.read = lambda *_: stdin
    named.readline = lambda *_: next(lines)
    named.readlines = lambda *_: stdin.split("\n")
    printed: Any = io.StringIO()
    printed.close = lambda _: 1
    sys.stdin = stream
    sys.stdout = printed
    with contextlib.suppress(SystemExit):
        namespace["wrapped_function"]()
    text: str = printed.getvalue()
    return text


def _call(function: str, arguments: tuple[Any, ...], source: str) -> Any:
    """Call a function of a program, or a method of its class Solution; return the result."""
    namespace = _load(source, _parse)
    if "class Solution" in source:
        solution = namespace["Solution"]()
        called = getattr(solution, function)
    else:
        called = namespace[function]
    return called(*arguments)
