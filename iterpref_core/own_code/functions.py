"""Function discovery: the public functions and methods of source files, found without running them."""

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
        name: the name by which the module is imported.
        source: the text.
        sha256: the hash of the file's bytes.
        tree: the syntax tree.
    """

    name: str
    source: str
    sha256: str
    tree: ast.Module


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
    def docstring(self) -> str:
        """The docstring as it is written, or an empty text."""
        return ast.get_docstring(self.node, clean=False) or ""


def is_test_file(path: Path) -> bool:
    """Return True if pytest looks for tests or fixtures in a file."""
    return path.name == "conftest.py" or path.stem.startswith("test_") or path.stem.endswith("_test")


def source_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the names and paths of the modules under the folder from which they are imported."""
    for path in sorted(root.rglob("*.py")):
        if not _is_source(root, path):
            continue
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        yield ".".join(parts), path


def _is_source(root: Path, path: Path) -> bool:
    """Return True if a file is the project's own code: no test, script, copy or package of somebody else."""
    folders = path.relative_to(root).parts[:-1]
    if not _NOT_THE_PROJECT.isdisjoint(folders):
        return False
    if is_test_file(path) or path.name in ("setup.py", "__main__.py"):
        return False
    # Hidden folders and virtual environments hold other people's code.
    folder = root
    for name in folders:
        folder = folder / name
        if name.startswith(".") or (folder / "pyvenv.cfg").exists():
            return False
    return True


def read_module(name: str, path: Path) -> Module | None:
    """Read a module, or return None if this Python cannot parse the file."""
    raw = path.read_bytes()
    try:
        # `ast` finds the encoding itself. The text is needed too, and nearly every file is UTF-8.
        return Module(
            name=name,
            source=raw.decode("utf-8"),
            sha256=hashlib.sha256(raw).hexdigest(),
            tree=ast.parse(raw),
        )
    except (SyntaxError, ValueError, RecursionError):
        return None


def is_public(name: str) -> bool:
    """Return True if a name has no leading underscore, or is one of Python's special methods."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def own_text(node: Definition, source: str, last: int | None = None) -> str:
    """Return the text of a definition with its decorators, without indentation, up to a line of the file."""
    # The line of a decorated function is that of `def`; its decorators stand above.
    starts = [node.lineno]
    starts += [decorator.lineno for decorator in node.decorator_list]
    first = min(starts)
    end = last or node.end_lineno
    lines = source.splitlines(keepends=True)[first - 1 : end]
    text = textwrap.dedent("".join(lines))
    return text.rstrip() + "\n"


def find_functions(module: Module) -> Iterator[Function | str]:
    """Yield the public functions and methods of a module, in order; for one that cannot be replaced, the reason."""
    return _find(module, module.tree.body, ())


def _find(
    module: Module,
    body: list[ast.stmt],
    classes: tuple[ast.ClassDef, ...],
) -> Iterator[Function | str]:
    names = Counter(node.name for node in body if isinstance(node, Definition))
    for node in body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from _find(module, node.body, (*classes, node))
        elif isinstance(node, Definition) and is_public(node.name):
            if names[node.name] > 1:
                yield "defined_twice"
                continue
            path = [owner.name for owner in classes]
            path.append(node.name)
            yield Function(
                module=module,
                qualname=".".join(path),
                node=node,
                classes=classes,
                source=own_text(node, module.source),
            )
