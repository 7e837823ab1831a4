"""Setups: what a test means by the names of its setup, whatever the solution has under them."""

import ast
import contextlib
import functools

from iterpref_core.programs.source_code.syntax_tree import parse


@functools.lru_cache(maxsize=1024)
def setup_imports(setup: str) -> tuple[tuple[str, str, str], ...]:
    r"""Return what the top level of a setup imports, as name, module and attribute.

    >>> setup_imports("import os.path as p, json\nfrom math import gcd as g, pi\nfrom re import *")
    (('p', 'os.path', ''), ('json', 'json', ''), ('g', 'math', 'gcd'), ('pi', 'math', 'pi'), ('*', 're', '*'))
    """
    found: list[tuple[str, str, str]] = []
    for node in _statements(setup):
        if isinstance(node, ast.Import):
            for alias in node.names:
                package = alias.name.partition(".")[0]
                found.append((alias.asname, alias.name, "") if alias.asname else (package, package, ""))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and node.module != "__future__":
            found += [(alias.asname or alias.name, node.module, alias.name) for alias in node.names]
    return tuple(found)


@functools.lru_cache(maxsize=1024)
def setup_functions(setup: str) -> dict[str, str]:
    r"""Return the functions that the top level of a setup defines, as sources: a test may use them as helpers.

    A judge runs them by itself, since a program can put others in their place. Annotations are left out: they may name
    classes. A function that returns nothing is none that helps to judge: it is left to the program.

    >>> setup_functions("def same(a: list, b) -> bool: return a == b\ndef f(x): ...")
    {'same': 'def same(a, b):\n    return a == b'}
    """
    found = {}
    for node in _statements(setup):
        if not isinstance(node, ast.FunctionDef) or node.decorator_list:
            continue
        inner = list(ast.walk(node))
        if any(isinstance(each, ast.Return) and each.value is not None for each in inner):
            node.returns = None
            for each in inner:
                if isinstance(each, ast.arg):
                    each.annotation = None
            with contextlib.suppress(ValueError):  # a number of more digits than Python writes
                found[node.name] = ast.unparse(node)
    return found


def _statements(setup: str) -> list[ast.stmt]:
    """Return the top level of a setup; of one that is no Python nothing, and the program's process says why."""
    try:
        statements: list[ast.stmt] = parse(setup).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return statements
