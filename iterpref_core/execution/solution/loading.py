"""Load the solution as a module, as an import of it would, and collect the facts of an error in it."""

import os
import random
import sys
import traceback
import types
from importlib.machinery import ModuleSpec, SourceFileLoader

from ..packets import write_all

SETUP = "<setup>"


def text_of(error: BaseException) -> str:
    """Return the text of an error; its own `__str__` may do anything."""
    try:
        return str(error)
    except BaseException as inner:  # noqa: BLE001 - as above
        return f"<{type(inner).__name__} while the message was made>"


class CompileError(Exception):
    """An error of `compile` about the solution."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


def file_of(module: str) -> str:
    """Return where a module is imported from."""
    return module.replace(".", "/") + ".py"


def write_file(path: str, text: str) -> None:
    """Write a text into a file."""
    # Not `open`: each child would make its objects anew, and copy the pages that they lie on.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    write_all(descriptor, text.encode("utf-8", "surrogatepass"))
    os.close(descriptor)


def write_files(files: dict[str, str]) -> None:
    """Write texts into files, by their paths."""
    for path, text in files.items():
        # `tests/helper.py` of a script's files
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        write_file(path, text)


def compile_solution(source: str | bytes, filename: str) -> types.CodeType:
    """Return the code of the solution.

    Raises:
        CompileError: it is not Python.
    """
    try:
        return compile(source, filename, "exec", dont_inherit=True)
    except (
        BaseException
    ) as error:  # SyntaxError, and other errors for NUL bytes, surrogates, nesting beyond the parser's stack
        raise CompileError(error) from error


def load(setup: str, code: str, path: str) -> types.ModuleType:
    """Run setup and solution in a fresh module, as an import of the solution would.

    Args:
        setup: source to run before the solution; a `from __future__` of the solution still comes first in it.
        code: the solution.
        path: of the file that has it.

    Raises:
        CompileError: the solution is not Python.
    """
    module = types.ModuleType("solution")
    namespace = vars(module)
    spec = ModuleSpec("solution", SourceFileLoader("solution", path), origin=path)
    spec.has_location = True
    namespace.update(__file__=path, __package__="", __spec__=spec, __loader__=spec.loader)
    # Before it runs: a dataclass looks up its module.
    sys.modules["solution"] = module
    if setup:
        exec(compile(setup, SETUP, "exec", dont_inherit=True), namespace)
    exec(compile_solution(code.removeprefix("\ufeff"), path), namespace)
    return module


def line_in(error: BaseException, solution: str) -> int | None:
    """Return the innermost line of the solution that an error passed."""
    # The last frame of the program's own file: frames of libraries come after it.
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == solution:
            found = line
    return found


def seed() -> None:
    """Seed the generators, so that a program does the same each time."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
