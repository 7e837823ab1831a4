"""Every import is of something that pyproject.toml declares."""

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.settings import ROOT
from tests.test_architecture import LAYERS, MODULES, parsed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("training", "endpoints", "evaluation", "ray", "pipeline")

OURS = {"benchmarks", "prices", "tests"}
FOREIGN = {"iterpref_core.problems.own_code.sandboxed.project_tests": {"pytest"}}
"""What stands in the sandbox of a user's project imports what that project brings."""


def declared(*extras: str) -> set[str]:
    """Canonical names that the core and extras declare themselves."""
    named = [*PROJECT["dependencies"], *(one for extra in extras for one in PROJECT["optional-dependencies"][extra])]
    return {canonicalize_name(Requirement(one).name) for one in named}


@cache
def providers() -> dict[str, set[str]]:
    """By module, the distributions that have it."""
    return {module: {canonicalize_name(name) for name in names} for module, names in packages_distributions().items()}


def roots(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The first parts of the modules that import statements name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def third_party(names: Iterable[str]) -> set[str]:
    return {name for name in names if name not in sys.stdlib_module_names and name not in LAYERS}


def at_import(module: str) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, those below `if` and `try` too."""
    waiting: list[ast.stmt] = list(parsed(module).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def is_declared(name: str, distributions: set[str]) -> bool:
    return not providers().get(name, set()).isdisjoint(distributions)


def test_every_import_is_declared() -> None:
    known, of_tests = declared(*EXTRAS), declared(*EXTRAS, "dev")
    names = {module: third_party(roots(ast.walk(parsed(module)))) - FOREIGN.get(module, set()) for module in MODULES}
    for folder in ("tests", "examples", "docker", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            found = third_party(roots(ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
            names[str(path.relative_to(ROOT))] = found - OURS
    missing = {
        f"{file} imports {name}"
        for file, imported in names.items()
        for name in imported
        if not is_declared(name, known if file in MODULES else of_tests)
    }
    assert missing == set(), "declare it in pyproject.toml"


def test_the_library_can_be_imported_where_there_is_no_unix() -> None:
    """`localize`, `show`, `check` and `train` execute no program, and work on macOS and Windows."""
    unix = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}
    wrong = {
        module: found
        for module in MODULES
        if module.startswith("iterpref_core") and ".sandbox" not in module
        if (found := unix & set(roots(at_import(module))))
    }
    assert wrong == {}
