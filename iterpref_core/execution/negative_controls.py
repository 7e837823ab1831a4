"""Negative controls: a program that also passes tests that nobody can pass has not passed its tests.

Tests that run inside the sandbox share an interpreter with the program. Their control is the same test with every
expectation replaced: `assert f(1) > x` becomes `assert f(1) > __never__()`, `self.assertTrue(c)` becomes
`self.assertTrue(__negate__(c))`. See `sandbox/unpassable_tests.py` for the two functions.
"""

import ast
import functools
from collections.abc import Sequence

from iterpref_core.execution.steps import Step

_SECOND_IS_EXPECTED = frozenset(
    f"assert{name}"
    for name in [
        "Equal",
        "Equals",
        "AlmostEqual",
        "ListEqual",
        "TupleEqual",
        "DictEqual",
        "SetEqual",
        "SequenceEqual",
        "MultiLineEqual",
        "CountEqual",
        "Greater",
        "GreaterEqual",
        "Less",
        "LessEqual",
        "Is",
        "IsInstance",
    ]
)
_FIRST_IS_ACTUAL = frozenset(
    {
        "isclose",
        "allclose",
        "array_equal",
        "assert_allclose",
        "assert_almost_equal",
        "assert_array_almost_equal",
        "assert_array_equal",
        "assert_equal",
        "assert_frame_equal",
        "assert_series_equal",
    }
)
"""Comparisons of the standard library, numpy and pandas: a program could have patched them."""
_FIRST_IS_CONDITION = frozenset({"assertTrue", "assertFalse", "assert_"})
_ORDERED = (ast.Eq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _has_call(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Call) for part in ast.walk(node))


def _is_comparison(node: ast.expr) -> bool:
    """Whether this is a call such as `math.isclose(f(1), 2)`."""
    if not isinstance(node, ast.Call) or len(node.args) < 2:
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in _FIRST_IS_ACTUAL


class _Negate(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        condition = node.test
        if isinstance(condition, ast.Compare) and len(condition.ops) == 1 and isinstance(condition.ops[0], _ORDERED):
            if _has_call(condition.left):
                condition.comparators = [_call("__never__")]
            else:
                condition.left = _call("__never__")
        else:
            # One change for each expectation: two would undo each other.
            node.test = self.visit(condition) if _is_comparison(condition) else _call("__negate__", condition)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name in _FIRST_IS_CONDITION and node.args and (name == "assertFalse" or not _is_comparison(node.args[0])):
            node.args[0] = _call("__negate__", node.args[0])
            return node
        self.generic_visit(node)
        if _is_comparison(node):
            node.args[0] = _call("__never__")
        elif name in _SECOND_IS_EXPECTED and len(node.args) >= 2:
            place = 1 if _has_call(node.args[0]) or not _has_call(node.args[1]) else 0
            node.args[place] = _call("__never__")
        return node


@functools.lru_cache(maxsize=1024)
def negated(source: str) -> str:
    """Test source with every expectation replaced by one that cannot be met; unchanged if it cannot be parsed."""
    try:
        tree = _Negate().visit(ast.parse(source))
        return ast.unparse(ast.fix_missing_locations(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source


def control_steps(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The controls of those steps whose tests run inside the sandbox; often none."""
    controls = []
    for step in steps:
        if step.kind in ("check", "unittest"):
            controls.append(Step(step.test, step.kind, negated(step.body)))
        elif step.kind == "script":
            run = step.body["run"]
            files = {**step.body["files"], run: negated(step.body["files"][run])}
            controls.append(Step(step.test, step.kind, {**step.body, "files": files}))
    return tuple(controls)
