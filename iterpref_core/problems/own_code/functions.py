"""Find the functions and methods of source files, without running them."""

import ast
import importlib.util
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
    """

    module: Module
    qualname: str
    node: Definition

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

    def text(self, last: int | None = None) -> str:
        """Return the source with decorators, without the indentation of a class, up to a line of the file."""
        # The line of a decorated function is its `def`; its decorators are above.
        first = min([self.node.lineno, *(decorator.lineno for decorator in self.node.decorator_list)])
        end = last or self.node.end_lineno or self.node.lineno
        return cut_lines(self.module.source, first, end, self.module.in_strings).rstrip() + "\n"


def source_files(project: Path) -> Iterator[Path]:
    """Yield the modules of a project, except tests."""
    for folder, folders, files in os.walk(project):
        folders[:] = sorted(name for name in folders if not _holds_others_code(Path(folder, name)))
        for file in sorted(files):
            path = Path(folder, file)
            parents = path.parent.relative_to(project).parts
            # An editor's lock is a link to no file: `.#shop.py`.
            if path.suffix == ".py" and path.is_file() and not _is_test(path.stem) and not _TESTS.intersection(parents):
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


def find_functions(
    module: Module, *, private: bool = False, body: Sequence[ast.stmt] | None = None, prefix: str = ""
) -> Iterator[Function | Dropped]:
    """Yield the functions and methods of a module, in order, and the reason for each that cannot be replaced.

    Args:
        module: the module.
        private: also yield those whose name, or whose class's name, begins with an underscore.
        body: the statements of a class; None for the module's own.
        prefix: the name of the class with a dot behind it, such as `Class.`.
    """
    body = module.tree.body if body is None else body
    names = Counter(_defined(body))
    for node in body:
        if not isinstance(node, Definition | ast.ClassDef) or not (private or is_public(node.name)):
            continue
        qualname = f"{prefix}{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from find_functions(module, private=private, body=node.body, prefix=f"{qualname}.")
            continue
        # The definition after it replaces a signature of `@overload`.
        if _is_overload(node):
            continue
        function = Function(module, qualname, node)
        yield function if names[node.name] == 1 else function.dropped("defined_twice")


def _defined(body: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names of functions that a body defines, in blocks such as `if` as well, but not inside of functions.

    A second definition would replace what a model has written.
    """
    for node in body:
        if isinstance(node, Definition):
            if not _is_overload(node):
                yield node.name
        elif not isinstance(node, ast.ClassDef):
            yield from _defined(ast.iter_child_nodes(node))


def _is_overload(definition: Definition) -> bool:
    """Return True for a signature that `@overload` or `@typing.overload` marks."""
    return any(ast.unparse(mark).rpartition(".")[2] == "overload" for mark in definition.decorator_list)
