"""Find the names that tests take from the program."""

from collections.abc import Iterable

from iterpref_core.records import IoTest, ScriptTest, StdinTest, Test

from .names import names_of_module, unbound_names
from .syntax_tree import parse_source


def tested_names(tests: Iterable[Test]) -> list[str]:
    """Return the names that tests import from the program, and the names that they read and do not define.

    >>> tested_names([IoTest(call="f(g(2))", expected="1"), IoTest(call="h(1)", expected="2")])
    ['f', 'g', 'h']
    """
    return list(dict.fromkeys(name for test in tests for name in _names(test)))


def _names(test: Test) -> list[str]:
    if isinstance(test, StdinTest):
        return []
    try:
        tree = parse_source(test.call if isinstance(test, IoTest) else test.code)
    except SyntaxError:
        return []
    module = test.module if isinstance(test, ScriptTest) else "solution"
    return names_of_module(tree, module) + unbound_names(tree)
