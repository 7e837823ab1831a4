"""Looks at the source of tests, by the supervisor: which of them mean something only in the program's own process.

A test is judged in a process of its own, and values cross. A change of the program's own world cannot cross
(a patched module, a seeded generator, an environment variable), a subclass of one of its classes, and what libraries
hold in memory (data frames, figures). The program's behavior never decides about this, only the text of the test.
"""

import ast
import builtins
import functools
from collections.abc import Iterator

from iterpref_core.execution.comparison.expectations import literal
from iterpref_core.source_code.syntax_tree import parse

_LIBRARIES = (
    *("mock", "unittest.mock", "pytest_mock", "freezegun", "responses", "requests_mock"),
    *("doctest", "pandas", "matplotlib", "seaborn"),
)
_FIXTURES = frozenset({"monkeypatch", "mocker"})
_SEEDS = frozenset({"seed", "set_state", "setstate", "chdir", "putenv", "setenv", "reload"})
"""Functions after which the program's own modules do something else."""
_CHANGES_A_LIST = frozenset({"append", "extend", "insert", "clear", "pop", "remove", "reverse", "sort"})
_OUTPUT = frozenset({"stdout", "stderr"})
"""Attributes of `sys` that a test may set: a program's output reaches the test's own streams."""


@functools.lru_cache(maxsize=1024)
def parsed(source: str) -> ast.Module:
    """Return the tree of a test's source.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: there is none.
    """
    tree: ast.Module = parse(source.removeprefix("\ufeff"))
    return tree


@functools.lru_cache(maxsize=1024)
def imports(source: str, module: str) -> bool:
    """Tell whether a source imports a module, or names it, as `import_module` does."""
    try:
        tree = parsed(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    parent, _, last = module.rpartition(".")
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = any(alias.name == module for alias in names)
            case ast.ImportFrom(module=source_module, names=names):
                # `from lib.sums import f` and `from lib import sums`, for the module `lib.sums`
                of_parent = (source_module or "") == parent and any(alias.name == last for alias in names)
                found = source_module == module or of_parent
            case ast.Constant(value=value):
                found = value == module
            case _:
                found = False
        if found:
            return True
    return False


@functools.lru_cache(maxsize=1024)
def looks(source: str, module: str, *, together: bool) -> bool:
    """Tell whether a source changes the program's world or derives from its classes.

    Args:
        source: of the test.
        module: that the solution is imported as.
        together: the solution's names are the test's own, without an import.
    """
    try:
        tree = parsed(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    nodes = list(ast.walk(tree))
    modules: set[str] = set()
    for node in nodes:
        if any(_is_library(name) for name in _imported(node)):
            return True
        modules.update(_bound_modules(node))
    theirs = _names_of_solution(nodes, module, together)
    # The solution itself is not the program's surroundings: a test may set an attribute of it.
    others = modules - {module.partition(".")[0]}
    return any(_patches(node, others) or _derives(node, theirs, module) for node in nodes)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_library(name: str) -> bool:
    return any(name == library or name.startswith(f"{library}.") for library in _LIBRARIES)


def _bound_modules(node: ast.AST) -> Iterator[str]:
    """Yield the names that imports bind to modules."""
    if isinstance(node, ast.Import):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def _names_of_solution(nodes: list[ast.AST], module: str, together: bool) -> set[str]:
    """Return the names under which a test has the solution's own.

    Of `from solution import Stack as S` that is `S`. Where all names are the test's, as of `from solution import *`,
    it is every name that the test uses and nobody else has bound: `Stack` in `class Mine(Stack)`.
    """
    names = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == module:
            for alias in node.names:
                names.add(alias.asname or alias.name)
    if not together and "*" not in names:
        return names
    used = set()
    bound = {"unittest", *dir(builtins)}
    for node in nodes:
        bound.update(_names_bound_by(node, module))
        if isinstance(node, ast.Name):
            used.add(node.id)
    return names | (used - bound)


def _names_bound_by(node: ast.AST, module: str) -> Iterator[str]:
    """Yield the names that a node of a test binds to something that is not the solution's."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    is_import = isinstance(node, ast.Import)
    if isinstance(node, ast.ImportFrom):
        is_import = node.module != module
    if is_import:
        for alias in node.names:  # type: ignore[attr-defined]
            yield alias.asname or alias.name.partition(".")[0]


def _derives(node: ast.AST, theirs: set[str], module: str) -> bool:
    """Tell whether a statement defines a subclass of one of the solution's classes."""
    if not isinstance(node, ast.ClassDef):
        return False
    for base in node.bases:
        root = base
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        name = root.id if isinstance(root, ast.Name) else ""
        # `class Mine(Stack)`, and `class Mine(solution.Stack)`
        of_module = isinstance(base, ast.Attribute) and name == module.partition(".")[0]
        if name in theirs or of_module:
            return True
    return False


def _patches(node: ast.AST, modules: set[str]) -> bool:
    """Tell whether a node changes a module that the program shares, or asks for a change.

    Args:
        node: of a test.
        modules: names that the test has for modules other than the solution.
    """
    if isinstance(node, ast.arg) and node.arg in _FIXTURES:
        return True
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute):
            return called.attr in _SEEDS or _extends_arguments(called, modules)
        if not isinstance(called, ast.Name):
            return False
        # `setattr(time, "sleep", ...)`
        first = node.args[0] if node.args else None
        of_module = isinstance(first, ast.Name) and first.id in modules
        return called.id in _SEEDS or (called.id in ("setattr", "delattr") and of_module)
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    return any(_is_of_module(target, modules) for target in targets)


def _extends_arguments(called: ast.Attribute, modules: set[str]) -> bool:
    """Tell whether a method is one that changes the program's arguments: `sys.argv.extend`."""
    owner = called.value
    is_argv = isinstance(owner, ast.Attribute) and owner.attr == "argv"
    return is_argv and _is_of_module(owner, modules) and called.attr in _CHANGES_A_LIST


def _is_of_module(target: ast.expr, modules: set[str]) -> bool:
    """Tell whether something is assigned to an attribute of a module, or to an item of one."""
    outer = target.value if isinstance(target, ast.Subscript) else target
    if not isinstance(outer, ast.Attribute) or outer.attr in _OUTPUT:
        return False
    root: ast.expr = outer
    while isinstance(root, ast.Attribute):
        root = root.value
    return isinstance(root, ast.Name) and root.id in modules


@functools.lru_cache(maxsize=4096)
def is_plain_call(source: str) -> bool:
    """Tell whether an expression calls something with literals, and computes nothing with the result.

    >>> [is_plain_call(source) for source in ("f([1, -2])", "Solution().f(2)", "f(2) == 4", "sorted(f(2))")]
    [True, True, False, False]
    """
    try:
        node: ast.expr = parse(source.strip(), "eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True  # the program's own process says what is wrong with it
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Name | ast.Attribute)
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute):
            node = node.value
            continue
        try:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                literal(argument)
        except ValueError:
            return False
        node = node.func
    return isinstance(node, ast.Name)
