"""Function discovery: the public functions and methods of source files, found without running them."""

import ast
import hashlib
import importlib.util
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.programs.source_code.lines import cut_lines, lines_in_strings
from iterpref_core.storage.left_out import Dropped

Definition = ast.FunctionDef | ast.AsyncFunctionDef

_TESTS = frozenset({"tests", "test"})
_NOT_THE_PROJECT = frozenset({"docs", "doc", "examples", "build", "dist", "node_modules"})
"""Folders that are not read for functions, which a user may not expect."""


@dataclass(frozen=True)
class Module:
    """A source file of the project.

    Attributes:
        name: the name by which the module is imported.
        path: the file.
        source: the text, whose lines end with LF.
        in_strings: the numbers of the lines that begin inside of a string literal.
        sha256: the hash of the file's bytes.
        tree: the syntax tree.
    """

    name: str
    path: Path
    source: str
    in_strings: frozenset[int]
    sha256: str
    tree: ast.Module

    def line(self, node: ast.stmt) -> str:
        """Return the place of a statement, for messages."""
        return f"{self.path}:{node.lineno}"


@dataclass(frozen=True)
class Function:
    """A function or method.

    Attributes:
        module: the module of the function.
        qualname: the name in the module, such as `Class.method`.
        node: the definition.
        classes: the definitions of the classes around the function, outermost first.
        source: the text with decorators, without the indentation of the class.
    """

    module: Module
    qualname: str
    node: Definition
    classes: tuple[ast.ClassDef, ...]
    source: str

    @property
    def id(self) -> str:
        """The name `module:qualified.name` that tracing uses."""
        return f"{self.module.name}:{self.qualname}"

    @property
    def shows_solution(self) -> bool:
        """True if code stands in the last line of the docstring: a prompt with this line would show the code."""
        docstring, *code = self.node.body
        return bool(code) and code[0].lineno == docstring.end_lineno

    def dropped(self, reason: str, explanation: str = "") -> Dropped:
        """Return the function as one that is left out for a reason."""
        return Dropped(reason, self.module.line(self.node), self.id, explanation)

    @property
    def docstring(self) -> str:
        """The docstring as it is written, or an empty text."""
        return ast.get_docstring(self.node, clean=False) or ""


def source_files(root: Path) -> Iterator[tuple[str, Path] | Dropped]:
    """Yield the names and paths of the modules under the folder from which they are imported.

    A folder that is not read is yielded once, with the reason, and so is a file.
    """
    for path in sorted(root.iterdir()):
        yield from _source_files(root, path)


def _source_files(root: Path, path: Path) -> Iterator[tuple[str, Path] | Dropped]:
    if path.is_dir():
        if path.name in _NOT_THE_PROJECT:
            if next(path.rglob("*.py"), None) is not None:
                yield Dropped("folder", str(path), path.name, f"folders named {path.name!r} are not read for functions")
        elif not _holds_others_code(path) and path.name not in _TESTS:
            for inner in sorted(path.iterdir()):
                yield from _source_files(root, inner)
    elif path.suffix == ".py":
        yield from _source_file(root, path)


def _source_file(root: Path, path: Path) -> Iterator[tuple[str, Path] | Dropped]:
    if path.name == "conftest.py" or path.stem.startswith("test_"):
        return
    if path.stem.endswith("_test"):
        yield Dropped("test_file", str(path), path.name, "pytest takes files of this name for tests")
    elif path.name in ("setup.py", "__main__.py"):
        yield Dropped("script", str(path), path.name, "files of this name are scripts")
    else:
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        yield ".".join(parts), path


def _holds_others_code(folder: Path) -> bool:
    """Return True for a hidden folder, a cache or a virtual environment."""
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
            sha256=hashlib.sha256(raw).hexdigest(),
            tree=ast.parse(raw),
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def is_public(name: str) -> bool:
    """Return True if a name has no leading underscore, or is one of Python's special methods."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def own_text(node: Definition, module: Module, last: int | None = None) -> str:
    """Return the text of a definition with its decorators, without indentation, up to a line of the file."""
    # The line of a decorated function is that of `def`; its decorators stand above.
    starts = [node.lineno]
    starts += [decorator.lineno for decorator in node.decorator_list]
    end = last or node.end_lineno or node.lineno
    return cut_lines(module.source, min(starts), end, module.in_strings).rstrip() + "\n"


def find_functions(module: Module) -> Iterator[Function | Dropped]:
    """Yield the public functions and methods of a module, in order; for one that cannot be replaced, the reason."""
    return _find(module, module.tree.body, ())


def _function(module: Module, node: Definition, classes: tuple[ast.ClassDef, ...]) -> Function:
    return Function(
        module=module,
        qualname=".".join([*(owner.name for owner in classes), node.name]),
        node=node,
        classes=classes,
        source=own_text(node, module),
    )


def _definitions_in(block: ast.AST, *, methods: bool) -> Iterator[Definition]:
    """Yield the functions in a block, such as one of `if`, with methods or without, but none within a function."""
    for node in ast.iter_child_nodes(block):
        if isinstance(node, Definition):
            yield node
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            if methods or not isinstance(node, ast.ClassDef):
                yield from _definitions_in(node, methods=methods)


def _find(
    module: Module,
    body: list[ast.stmt],
    classes: tuple[ast.ClassDef, ...],
) -> Iterator[Function | Dropped]:
    names = Counter(node.name for node in body if isinstance(node, Definition))
    blocks = [node for node in body if not isinstance(node, ast.ClassDef | Definition)]
    names.update(node.name for block in blocks for node in _definitions_in(block, methods=False))
    for node in body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from _find(module, node.body, (*classes, node))
        elif isinstance(node, Definition) and is_public(node.name):
            function = _function(module, node, classes)
            yield function.dropped("defined_twice") if names[node.name] > 1 else function
        elif node in blocks:
            for inner in _definitions_in(node, methods=True):
                function = _function(module, inner, classes)
                if is_public(inner.name):
                    yield function.dropped("conditional", "it stands in a block, such as one of `if` or `try`")
