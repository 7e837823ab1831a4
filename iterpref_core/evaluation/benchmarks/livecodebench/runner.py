"""Run a program by the rules of LiveCodeBench's own runner at two commits.

The sandbox runs this file before a test calls a function here, so it imports the standard library alone. The rules
come from github.com/LiveCodeBench/LiveCodeBench, file `lcb_runner/evaluation/testing_util.py`; `suite` names the
commits. It puts objects of Python's in the place of the console, and makes a function of a program that reads standard
input. Some programs fail there that would not on a real console, and so they do here:

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
    """Take from a program the functions that the runner takes, and set its limits."""
    for module, names in _WITHOUT.items():
        for name in names.split():
            setattr(module, name, None)
    modules: dict[str, Any] = sys.modules
    for name in _NOT_IMPORTED:
        modules[name] = None  # an import of it then raises ImportError
    sys.setrecursionlimit(50000)
    sys.set_int_max_str_digits(50000)


def _parse(source: str) -> ast.Module:
    """Return the tree of a program after the runner's imports, where a `__future__` import comes too late."""
    sys.modules.pop(MODULE, None)  # the runner's module is not among them, which `dataclass` notices
    return ast.Module([*ast.parse(NAMES).body, *ast.parse(source, __file__).body], [])


def _as_function(source: str) -> ast.Module:
    """Return a program as the body of a function; imports stay outside, a last `if` of `__main__` is undone."""
    tree = _parse(source)
    last = tree.body[-1]
    if isinstance(last, ast.If) and ast.unparse(last.test) == _MAIN:
        tree.body[-1:] = last.body
    function = ast.parse("def wrapped_function(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    tree.body = [*(node for node in tree.body if node not in function.body), function]
    ast.fix_missing_locations(tree)
    # LiveCodeBench's runner goes on with this text, and fails where it cannot be made. It looks for a class Solution
    # outside of the function.
    if "class Solution" in ast.unparse(tree):
        raise AttributeError("the runner finds no class Solution, which is inside of the function that it makes")
    return tree


def _load(
    source: str,
    make_tree: Callable[[str], ast.Module],
) -> dict[str, Any]:
    """Run a program as a module after the names that it finds; return its namespace.

    Errors name the place where the sandbox looks for a program.
    """
    namespace = vars(types.ModuleType(MODULE)) | {"__file__": __file__, "__package__": ""}
    try:
        compiled = compile(make_tree(source), __file__, "exec", dont_inherit=True)
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, surrogates, nesting beyond a parser's stack
        raise SyntaxError(str(error), (__file__, 1, 0, "")) from None
    exec(compiled, namespace)
    return namespace


def run_on_text(source: str, stdin: str, has_buffer: bool) -> str:
    """Run a program that reads a text by the runner's rules; return its output.

    Args:
        source: the program.
        stdin: the text.
        has_buffer: judge by the later commit.
    """
    _take_away()
    named: Any = open(os.devnull)  # noqa: PTH123, SIM115 - the object of a program that imports the name `stdin`
    sys.stdin = named
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    namespace = _load(source, _as_function)
    lines = iter(stdin.split("\n"))
    named.read = lambda *_: stdin
    named.readline = lambda *_: next(lines)
    named.readlines = lambda *_: stdin.split("\n")
    stream: Any = _Stdin(stdin) if has_buffer else io.StringIO(stdin)
    printed: Any = io.StringIO()
    printed.close = lambda _: 1
    sys.stdin = stream
    sys.stdout = printed
    with contextlib.suppress(SystemExit):
        namespace["wrapped_function"]()
    text: str = printed.getvalue()
    return text


def call(source: str, function: str, arguments: tuple[Any, ...]) -> Any:
    """Call a function of a program, or a method of its class Solution, by the runner's rules; return the result."""
    _take_away()
    namespace = _load(source, _parse)
    if "class Solution" in source:
        solution = namespace["Solution"]()
        called = getattr(solution, function)
    else:
        called = namespace[function]
    return called(*arguments)
