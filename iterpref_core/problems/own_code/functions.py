"""Find the functions and methods of source files, without running them."""

import ast
import copy
import importlib.util
import os
import textwrap
from collections import Counter
from collections.abc import Iterator
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
        name: the file's place in the project with dots, without a leading `src`; tests may import it by another name.
        path: the file.
        file: the file's path in the project.
        source: the text, whose lines end with LF.
        in_strings: the numbers of the lines that begin inside of a string literal.
        tree: the syntax tree.
    """

    name: str
    path: Path
    file: str
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
        in_block: it stands in a block such as `if`, where it cannot be replaced.
    """

    module: Module
    qualname: str
    node: Definition
    description: str = ""
    in_block: bool = False

    @property
    def id(self) -> str:
        """The name `path/to/module.py:qualified.name` that tracing uses, since imports may name a file in any way."""
        return f"{self.module.file}:{self.qualname}"

    def dropped(self, reason: str, explanation: str = "") -> Dropped:
        """Return the record of the function as left out."""
        name = f"{self.module.name}:{self.qualname}"
        return Dropped(reason, f"{self.module.path}:{self.node.lineno}", name, explanation)

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


def source_files(project: Path) -> Iterator[Path]:
    """Yield the modules of a project, except tests."""
    for path in python_files(project):
        if not _is_test(path.stem) and not _TESTS.intersection(path.parent.relative_to(project).parts):
            yield path


def python_files(project: Path) -> Iterator[Path]:
    """Yield the Python files of a project, tests among them, but no others' code."""
    for folder, folders, files in os.walk(project):
        folders[:] = sorted(name for name in folders if not _holds_others_code(Path(folder, name)))
        for file in sorted(files):
            path = Path(folder, file)
            # An editor's lock is a link to no file: `.#shop.py`.
            if path.suffix == ".py" and path.is_file():
                yield path


def import_roots(project: Path) -> list[str]:
    """Return the folders in which the packages of a project begin, such as `libs/shop/src` of `libs/shop/src/shop`."""
    roots = set()
    for path in source_files(project):
        if path.name == "__init__.py":
            inside = (folder for folder in path.parents if not (folder / "__init__.py").exists())
            roots.add(next(inside))
    return sorted(str(root) for root in roots if root.is_relative_to(project))


def _is_test(stem: str) -> bool:
    """Return True for the name of a file that pytest looks into."""
    return stem == "conftest" or stem.startswith("test_") or stem.endswith("_test")


def _holds_others_code(folder: Path) -> bool:
    """Return True for a hidden folder, a cache, a virtual environment, or the copy that `pip install .` leaves."""
    if folder.name == "build" and any(folder.glob("lib*")):
        return True
    return folder.name.startswith(".") or folder.name == "__pycache__" or (folder / "pyvenv.cfg").exists()


def read_module(project: Path, path: Path) -> Module | None:
    """Read a module of a project, or return None if this Python cannot parse the file."""
    file = path.relative_to(project)
    parts = file.with_suffix("").parts
    # `src/shop/__init__.py` is the module `shop`.
    parts = parts[parts[0] == "src" and len(parts) > 1 :]
    parts = parts[: len(parts) - (parts[-1] == "__init__" and len(parts) > 1)]
    raw = path.read_bytes()
    try:
        # Decoded as the import system does: by the file's own encoding, with LF at the ends of lines.
        source = importlib.util.decode_source(raw)
        return Module(
            name=".".join(parts),
            path=path,
            file=file.as_posix(),
            source=source,
            in_strings=lines_in_strings(source),
            tree=ast.parse(raw),
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def is_public(name: str) -> bool:
    """Return True if a name has no leading underscore, or is a special method of Python."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def find_functions(module: Module, *, private: bool = False) -> Iterator[Function | Dropped]:
    """Yield the functions and methods of a module, in order, and the reason for each that cannot be replaced.

    Args:
        module: the module.
        private: also yield those whose name, or whose class's name, begins with an underscore.
    """
    # The definition after it replaces a signature of `@overload`.
    found = [each for each in all_functions(module) if not _is_overload(each.node)]
    times = Counter(each.qualname for each in found)
    for function in found:
        if not function.in_block and (private or all(map(is_public, function.qualname.split(".")))):
            # A second definition would replace what a model has written.
            yield function if times[function.qualname] == 1 else function.dropped("defined_twice")


def all_functions(
    module: Module, place: ast.AST | None = None, prefix: str = "", *, in_block: bool = False
) -> Iterator[Function]:
    """Yield all functions and methods of a module, but those inside of functions.

    Args:
        module: the module.
        place: the class or block to look into; None is the whole module.
        prefix: the name of the class with a dot behind it, such as `Class.`.
        in_block: the place is in a block.
    """
    for node in ast.iter_child_nodes(place or module.tree):
        if isinstance(node, Definition):
            yield Function(module, f"{prefix}{node.name}", node, in_block=in_block)
        elif isinstance(node, ast.ClassDef):
            yield from all_functions(module, node, f"{prefix}{node.name}.", in_block=in_block)
        else:
            yield from all_functions(module, node, prefix, in_block=True)


def _is_overload(definition: Definition) -> bool:
    """Return True for a signature that `@overload` or `@typing.overload` marks."""
    return any(ast.unparse(mark).rpartition(".")[2] == "overload" for mark in definition.decorator_list)
