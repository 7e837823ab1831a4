"""Function discovery: the public functions and methods of source files, found without running them."""

import ast
import importlib.util
import os
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
_SCRIPTS = frozenset({"setup", "__main__"})


@dataclass(frozen=True)
class Module:
    """A source file of the project.

    Attributes:
        name: the name by which the module is imported.
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

    Tests are passed over. Another file that is not read is yielded with the reason.
    """
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not _holds_others_code(Path(folder, name)))
        for path in sorted(Path(folder, name) for name in files if name.endswith(".py")):
            *parents, stem = path.relative_to(root).with_suffix("").parts
            if _TESTS.intersection(parents) or stem == "conftest" or stem.startswith("test_"):
                continue
            if _NOT_THE_PROJECT.intersection(parents) or stem in _SCRIPTS or stem.endswith("_test"):
                yield Dropped("not_read", str(path), path.name, "scripts and these folders are not read for functions")
            else:
                yield ".".join(parents if stem == "__init__" else [*parents, stem]), path


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


def _definitions_in(node: ast.AST) -> Iterator[Definition]:
    """Yield a function, or those in a block, such as one of `if`; none within a function."""
    if isinstance(node, Definition):
        yield node
    elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
        for inner in ast.iter_child_nodes(node):
            yield from _definitions_in(inner)


def _find(
    module: Module,
    body: list[ast.stmt],
    classes: tuple[ast.ClassDef, ...],
) -> Iterator[Function | Dropped]:
    definitions = [each for node in body if not isinstance(node, ast.ClassDef) for each in _definitions_in(node)]
    names = Counter(node.name for node in definitions)
    for definition in definitions:
        if is_public(definition.name):
            function = _function(module, definition, classes)
            if names[definition.name] > 1:
                yield function.dropped("defined_twice")
            elif definition in body:
                yield function
            else:
                yield function.dropped("conditional", "it stands in a block, such as one of `if` or `try`")
    for node in body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from _find(module, node.body, (*classes, node))
