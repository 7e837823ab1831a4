"""Function discovery: the public functions and methods of source files, found without running anything."""

import ast
import hashlib
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Definition = ast.FunctionDef | ast.AsyncFunctionDef

_NOT_THE_PROJECT = frozenset(
    {"tests", "test", "docs", "doc", "examples", "build", "dist", "node_modules", "__pycache__"}
)


@dataclass(frozen=True)
class Module:
    """A source file of the project.

    Attributes:
        name: what it is imported as.
        source: its text.
        sha256: of its bytes.
        tree: its syntax tree.
    """

    name: str
    source: str
    sha256: str
    tree: ast.Module


@dataclass(frozen=True)
class Function:
    """A function or method.

    Attributes:
        module: where it is.
        qualname: its name there, such as `Class.method`.
        node: its definition.
        classes: the definitions of the classes around it, outermost first.
        source: its text with decorators, without the indentation of its class.
    """

    module: Module
    qualname: str
    node: Definition
    classes: tuple[ast.ClassDef, ...]
    source: str

    @property
    def id(self) -> str:
        """`module:qualified.name`, as tracing calls it."""
        return f"{self.module.name}:{self.qualname}"

    @property
    def docstring(self) -> str:
        """Its docstring as written; empty if it has none."""
        return ast.get_docstring(self.node, clean=False) or ""


def is_test_file(path: Path) -> bool:
    """Whether pytest would look for tests in a file, or takes fixtures from it."""
    return path.name == "conftest.py" or path.stem.startswith("test_") or path.stem.endswith("_test")


def source_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Names and paths of the modules under the folder that they are imported from."""
    for path in sorted(root.rglob("*.py")):
        folders = path.relative_to(root).parts[:-1]
        inside = [root.joinpath(*folders[: depth + 1]) for depth in range(len(folders))]
        foreign = any(folder.name.startswith(".") or (folder / "pyvenv.cfg").exists() for folder in inside)
        if foreign or _NOT_THE_PROJECT & set(folders) or is_test_file(path) or path.name in ("setup.py", "__main__.py"):
            continue
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def read_module(name: str, path: Path) -> Module | None:
    """A module's source; None if this Python cannot read it."""
    raw = path.read_bytes()
    try:
        # `ast` finds the encoding itself; the text is needed too, and nearly all of it is UTF-8.
        return Module(name, raw.decode("utf-8"), hashlib.sha256(raw).hexdigest(), ast.parse(raw))
    except (SyntaxError, ValueError, RecursionError):
        return None


def is_public(name: str) -> bool:
    """Whether a name has no leading underscore, or is one of Python's special methods."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def own_text(node: Definition, source: str, last: int | None = None) -> str:
    """The text of a definition with its decorators, without its indentation, up to a line of the file."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = source.splitlines(keepends=True)[first - 1 : last or node.end_lineno]
    return textwrap.dedent("".join(lines)).rstrip() + "\n"


def find_functions(module: Module) -> Iterator[Function | str]:
    """The public functions and methods of a module, in the order of its text; of one that cannot be replaced, why."""
    return _find(module, module.tree.body, ())


def _find(module: Module, body: list[ast.stmt], classes: tuple[ast.ClassDef, ...]) -> Iterator[Function | str]:
    names = Counter(node.name for node in body if isinstance(node, Definition))
    for node in body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from _find(module, node.body, (*classes, node))
        elif isinstance(node, Definition) and is_public(node.name):
            text = own_text(node, module.source)
            if names[node.name] > 1:
                yield "defined_twice"
            else:
                yield Function(module, ".".join([*(owner.name for owner in classes), node.name]), node, classes, text)
