"""Imports of a setup: names that a test means the library's by, whatever the solution has under them."""

import ast
import functools

from iterpref_core.source_code.syntax_tree import parse


@functools.lru_cache(maxsize=1024)
def setup_imports(setup: str) -> tuple[tuple[str, str, str], ...]:
    r"""Return what the top level of a setup imports, as name, module and attribute.

    >>> setup_imports("import os.path as p, json\nfrom math import gcd as g, pi\nfrom re import *")
    (('p', 'os.path', ''), ('json', 'json', ''), ('g', 'math', 'gcd'), ('pi', 'math', 'pi'), ('*', 're', '*'))
    """
    try:
        statements = parse(setup).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()  # the program's process says what is wrong with it
    found: list[tuple[str, str, str]] = []
    for node in statements:
        if isinstance(node, ast.Import):
            for alias in node.names:
                package = alias.name.partition(".")[0]
                found.append((alias.asname, alias.name, "") if alias.asname else (package, package, ""))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and node.module != "__future__":
            found += [(alias.asname or alias.name, node.module, alias.name) for alias in node.names]
    return tuple(found)
