"""Find the names that a program reads, defines, or takes from a module."""

import ast
import builtins
import keyword
import re
import sys
from collections.abc import Iterable, Iterator

from .syntax_tree import shared_tree

_GIVEN = {*dir(builtins), "__file__"}
NAME_FIELDS = {
    "Name": "id",
    "arg": "arg",
    "alias": "asname",
    "MatchMapping": "rest",
    **dict.fromkeys(("FunctionDef", "AsyncFunctionDef", "ClassDef", "ExceptHandler", "MatchAs", "MatchStar"), "name"),
    **dict.fromkeys(("TypeVar", "ParamSpec", "TypeVarTuple"), "name"),
}
"""Kind of a node → its field that holds a name: of variables, definitions, `import … as`, patterns and parameters."""


def undefined_names(code: str) -> list[str]:
    """Return the names that a script reads and does not define, so that Python cannot run the script.

    Many lines of other languages are Python by their syntax, and only their names are not Python's.

    Returns:
        the names; an empty list for a text that is not Python, and for a program with a definition, a `lambda` or
        another block, which no other language writes in the same way.

    >>> undefined_names("x <- c(1, 2)"), undefined_names("SELECT (1)"), undefined_names("puts(x = 1)")
    (['x', 'c'], ['SELECT'], ['puts'])
    >>> undefined_names("import re; print(re.sub('a', 'b', input()))"), undefined_names("def f(x): return y")
    ([], [])
    """
    try:
        tree = shared_tree(code)
    except SyntaxError:
        return []
    has_blocks = any(hasattr(statement, "body") or isinstance(statement, ast.Match) for statement in tree.body)
    if has_blocks or any(isinstance(node, ast.Lambda) for node in ast.walk(tree)):
        return []
    return unbound_names(tree)


def is_name(text: str) -> bool:
    """Return True if Python takes a text for a name that a program may define."""
    return text.isidentifier() and not keyword.iskeyword(text)


def entry_name(entry_point: str) -> str:
    """Return the name that a program must define, the last of a dotted path.

    >>> entry_name("Solution().add"), entry_name("add")
    ('add', 'add')
    """
    names: list[str] = re.findall(r"\w+", entry_point)
    return names[-1] if names else ""


def unbound_names(tree: ast.Module) -> list[str]:
    """Return the names that code reads and that neither it nor Python defines; an empty list after `import *`."""
    defined = bound_names(tree)
    read = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    # `from math import *` defines any names.
    return [] if "*" in defined else [name for name in dict.fromkeys(read) if name not in defined]


def names_of_module(tree: ast.Module, module: str) -> list[str]:
    r"""Return the names that code takes from a module, which it may import under another name.

    >>> names_of_module(ast.parse("import solution as s\nfrom solution import g\ns.f(1)"), "solution")
    ['g', 'f']
    """
    nodes = list(ast.walk(tree))
    imported = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    # `import solution as s` makes `s.f` a name of the module.
    called = {alias.asname or alias.name for alias in imported if alias.name == module}
    names = []
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == module:
            names += [alias.name for alias in node.names if alias.name != "*"]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in called:
            names.append(node.attr)
    return list(dict.fromkeys(names))


def packages_of(tree: ast.Module, modules: Iterable[str]) -> list[str]:
    r"""Return the packages that code cannot do without: it imports them, not in a `try` or an `if`.

    >>> test = "import os, numpy.linalg\nfrom solution import f\nif f(1):\n    import pandas"
    >>> packages_of(ast.parse(test), ["solution"])
    ['numpy']

    Args:
        tree: of the code.
        modules: names that the program and its own files are imported by.
    """
    # A module of the code itself, or of Python, needs no package.
    without_package = {module.partition(".")[0] for module in modules} | sys.stdlib_module_names
    return sorted({name.partition(".")[0] for name in imported_modules(tree)} - without_package)


def imported_modules(block: ast.AST) -> Iterator[str]:
    """Yield the modules that the statements of a block import, but for those in a `try` or an `if`."""
    for node in ast.iter_child_nodes(block):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)
        # `try: import numpy` works without numpy.
        elif isinstance(node, ast.stmt | ast.match_case) and not isinstance(node, ast.Try | ast.If):
            yield from imported_modules(node)


def bound_names(tree: ast.Module) -> set[str]:
    """Return the names that code or Python defines; also `*` after `import *`."""
    nodes = list(ast.walk(tree))
    # `import os.path` defines `os`.
    imported = {node.name.partition(".")[0] for node in nodes if isinstance(node, ast.alias) and not node.asname}
    return {*_GIVEN, *imported, *bound_by(nodes)}


def bound_by(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that any of these nodes binds, but for imported modules."""
    bound = set()
    for node in nodes:
        name = name_in(node)
        only_reads = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if name is not None and not only_reads:
            bound.add(name)
    return bound


def name_in(node: ast.AST) -> str | None:
    """Return the name in a node, if there is one; keywords of calls and imported modules do not count."""
    name: str | None = getattr(node, NAME_FIELDS.get(type(node).__name__, ""), None)
    return name
