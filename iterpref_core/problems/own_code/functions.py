"""Find the public functions and methods of source files, without running them."""

import ast
import copy
import importlib.util
import os
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.programs.source_code.lines import cut_lines, lines_in_strings
from iterpref_core.storage.dropped import Dropped

Definition = ast.FunctionDef | ast.AsyncFunctionDef

_TESTS = frozenset({"tests", "test"})


@dataclass(frozen=True)
class Module:
    """A source file of the project.

    Attributes:
        name: the name of the module in imports.
        path: the file.
        source: the text, whose lines end with LF.
        in_strings: the numbers of the lines that begin inside of a string literal.
        tree: the syntax tree.
    """

    name: str
    path: Path
    source: str
    in_strings: frozenset[int]
    tree: ast.Module


@dataclass(frozen=True)
class Function:
    """A function or method.

    Attributes:
        module: the module of the function.
        qualname: the name in the module, such as `Class.method`.
        node: the definition.
        description: the docstring that a model has written, where the definition has none.
    """

    module: Module
    qualname: str
    node: Definition
    description: str = ""

    @property
    def id(self) -> str:
        """The name `module:qualified.name` that tracing uses."""
        return f"{self.module.name}:{self.qualname}"

    def dropped(self, reason: str, explanation: str = "") -> Dropped:
        """Return the record of the function as left out."""
        return Dropped(reason, f"{self.module.path}:{self.node.lineno}", self.id, explanation)

    @property
    def docstring(self) -> str:
        """The docstring as it is written, or an empty text."""
        return ast.get_docstring(self.node, clean=False) or ""

    @property
    def head(self) -> str:
        """The signature and the docstring: as they are written, or with the description."""
        if self.docstring:
            return self.text(self.node.body[0].end_lineno)
        node = copy.copy(self.node)
        shown = textwrap.indent(self.description, "    ").lstrip()
        node.body = [ast.Expr(ast.Constant(shown or ...))]
        return ast.unparse(node) + "\n"

    @property
    def arguments(self) -> list[str]:
        """The names of the arguments, without that of a method's object."""
        given = self.node.args
        names = [each.arg for each in (*given.posonlyargs, *given.args)]
        is_bound = "." in self.qualname and "staticmethod" not in map(ast.unparse, self.node.decorator_list)
        rest = [each.arg for each in (given.vararg, *given.kwonlyargs, given.kwarg) if each]
        return names[is_bound:] + rest

    def text(self, last: int | None = None) -> str:
        """Return the source with decorators, without the indentation of a class, up to a line of the file."""
        # The line of a decorated function is its `def`; its decorators are above.
        first = min([self.node.lineno, *(decorator.lineno for decorator in self.node.decorator_list)])
        end = last or self.node.end_lineno or self.node.lineno
        return cut_lines(self.module.source, first, end, self.module.in_strings).rstrip() + "\n"


def source_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the names and paths of the modules in an import root, except tests."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not _holds_others_code(Path(folder, name)))
        for file in sorted(files):
            path = Path(folder, file)
            *parents, stem = path.relative_to(root).with_suffix("").parts
            # An editor's lock is a link to no file: `.#shop.py`.
            if path.suffix != ".py" or not path.is_file() or _is_test(stem) or _TESTS.intersection(parents):
                continue
            # `shop/__init__.py` is the module `shop`.
            name = parents if stem == "__init__" else [*parents, stem]
            yield ".".join(name), path


def _is_test(stem: str) -> bool:
    """Return True for the name of a file that pytest looks into."""
    return stem == "conftest" or stem.startswith("test_") or stem.endswith("_test")


def _holds_others_code(folder: Path) -> bool:
    """Return True for a hidden folder, a cache, a virtual environment, or the copy that `pip install .` leaves."""
    if folder.name == "build" and any(folder.glob("lib*")):
        return True
    return folder.name.startswith(".") or folder.name == "__pycache__" or (folder / "pyvenv.cfg").exists()


def read_module(name: str, path: Path) -> Module | None:
    """Read a module, or return None if this Python cannot parse the file."""
    raw = path.read_bytes()
    try:
        # Decoded as the import system does: by the file's own encoding, with LF at the ends of lines.
        source = importlib.util.decode_source(raw)
        return Module(
            name=name,
            path=path,
            source=source,
            in_strings=lines_in_strings(source),
            tree=ast.parse(raw),
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def is_public(name: str) -> bool:
    """Return True if a name has no leading underscore, or is a special method of Python."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def find_functions(
    module: Module, body: Sequence[ast.stmt] | None = None, prefix: str = ""
) -> Iterator[Function | Dropped]:
    """Yield the public functions and methods of a module, in order, and the reason for each that cannot be replaced.

    Args:
        module: the module.
        body: the statements of a class; None for the module's own.
        prefix: the name of the class with a dot behind it, such as `Class.`.
    """
    body = module.tree.body if body is None else body
    # Blocks such as `if` count as well: a second definition would replace what a model has written.
    inner = (each for node in body if not isinstance(node, ast.ClassDef) for each in ast.walk(node))
    names = Counter(each.name for each in inner if isinstance(each, Definition))
    for node in body:
        if not isinstance(node, Definition | ast.ClassDef) or not is_public(node.name):
            continue
        qualname = f"{prefix}{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from find_functions(module, node.body, f"{qualname}.")
            continue
        function = Function(module, qualname, node)
        yield function if names[node.name] == 1 else function.dropped("defined_twice")
