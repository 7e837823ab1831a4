"""Counter-test: a test that asks each of its comparisons for other values too, and that fails at its end.

A test in the program's own process can be lied to. A program that passes such a test, and its counter-test too, has not
computed what the test asks for:

    test                               counter-test
    def test_two(self):                def test_two(self):
        self.assertEqual(f(2), 4)          asserted_again(self.assertEqual, f(2), 4)
        assert f(3) > 8                    assert compared_again(('gt',), f(3), 8)
                                           raise AssertionError

An object that is equal to other values as well raises `PassedAnyway`; where the failure at the end gets lost, the
counter-test passes. Everything else is as in the test, so no right program does either. Literals are written as
`hidden(1000015, '4')`, for a program that reads its test. This module has the standard
library alone: the tests of own code use it in the sandbox.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

OWN = "COUNTER_TEST"
"""A name in a script whose expectations stand elsewhere. False becomes True, and the script changes them itself; with
None, nobody can."""
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
    ast.In: "contains",
}
_ASSERTIONS = re.compile(
    r"assert(Almost|Count|Dict|List|MultiLine|NotEqual|Sequence|Set|Tuple)?Equals?"
    r"|assert(NotEqual|Greater|GreaterEqual|Less|LessEqual|In)"
    r"|assert_\w*(equal|allclose)"
)
"""Names of assertions about two values: those of unittest, numpy and pandas."""
_EXPECTS_FAILURES = re.compile(r"raises|suppress|warns", re.IGNORECASE)
_EXITS = re.compile(r"(sys\.|os\.)?(_?exit|quit)|unittest\.main")
_SKIPS = re.compile(r"skip|xfail|expectedFailure", re.IGNORECASE)
_CASES = ("test", "runTest")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class PassedAnyway(BaseException):
    """A comparison that no right program passes has passed."""


def another_value(value):  # type: ignore[no-untyped-def]
    """Return another value: of the same type where it is plain, and far away where it is a number."""
    kind = type(value)
    if kind is bool:
        return not value
    if kind in (int, float, complex):
        is_finite = value - value == 0
        return kind(3 * abs(value) + 1000003) if is_finite else 1000003.5
    if kind is str:
        return value + "~"
    if kind is bytes:
        return value + b"~"
    if kind in (list, tuple) and value:
        return kind(map(another_value, value))
    if kind in (list, tuple, set, frozenset):
        return kind([*map(another_value, value), 1000003])
    if kind is dict:
        return {key: another_value(item) for key, item in value.items()} or {1000003: 1000003}
    if value is None:
        return ...
    return far_away(value)


def same(value):  # type: ignore[no-untyped-def]
    """Return a value itself."""
    return value


def far_away(value):  # type: ignore[no-untyped-def]
    """Return a value that numpy compares with no array, not even with an empty one."""
    del value
    return [[[[1000003] * 7] * 5] * 3] * 2


def hidden(decoy, text):  # type: ignore[no-untyped-def]
    """Return the value of a literal that is written backwards: a program that reads the test finds the decoy."""
    import ast

    del decoy
    return ast.literal_eval(text[::-1])


def ask_again(holds, left, right, others):  # type: ignore[no-untyped-def]
    """Raise if something holds for two values where another one is in the place of one of them."""
    for make in others:
        for first, second in ((same, make), (make, same)):
            try:
                found = holds(first(left), second(right))
            except Exception:  # noqa: BLE001 - whatever a comparison raises, it does not say yes
                continue
            if found is None or (type(found).__name__ in ("bool", "bool_") and found):
                raise PassedAnyway


def compared_again(operators, *values):  # type: ignore[no-untyped-def]
    """Return what a comparison says; raise if it would say yes for other values, too."""
    import operator

    opposites = {"ne": "eq", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
    for name, left, right in zip(operators, values, values[1:], strict=False):
        holds = getattr(operator, name)
        two = (right, left) if name == "contains" else (left, right)
        result = holds(*two)
        if name == "eq":
            ask_again(holds, *two, (another_value, far_away))
        elif name == "contains":
            if not hasattr(right, "__next__"):  # an iterator would lose its items
                ask_again(holds, *two, (far_away,))
        elif type(result).__name__ in ("bool", "bool_") and result:
            ask_again(getattr(operator, opposites[name]), *two, (same,))
        if len(operators) > 1 and not result:
            break
    return result


def near_again(name, size, left, right, limit):  # type: ignore[no-untyped-def]
    """Return whether two values are near each other; raise if others would be, too."""
    import operator

    def holds(left, right):  # type: ignore[no-untyped-def]
        return getattr(operator, name)(size(left - right), limit)

    ask_again(holds, left, right, (another_value,))
    return holds(left, right)


def asserted_again(assertion, left, right, *rest, **named):  # type: ignore[no-untyped-def]
    """Assert something about two values; raise if the assertion would pass for others, too."""
    names = {"NotEqual": "ne", "Greater": "gt", "GreaterEqual": "ge", "Less": "lt", "LessEqual": "le", "In": "contains"}
    name = getattr(assertion, "__name__", "").removeprefix("assert")
    if name in names:
        compared_again((names[name],), left, right)
    else:
        # To numpy, an empty array is near every number.
        others = (far_away,) if name.startswith("_") else (another_value, far_away)
        ask_again(lambda *two: assertion(*two, *rest, **named), left, right, others)
    assertion(left, right, *rest, **named)


_OWN_SOURCES: tuple[Any, ...] = (
    *(PassedAnyway, another_value, same, far_away, hidden),
    *(ask_again, compared_again, near_again, asserted_again),
)
"""What the source of each counter-test begins with."""


class CounterTest(NamedTuple):
    """A counter-test's source.

    Attributes:
        source: of the counter-test.
        decides: it fails at an end that is surely reached, so that no right program passes.
    """

    source: str
    decides: bool


@lru_cache(maxsize=256)
def counter_test(source: str) -> CounterTest:
    """Return the counter-test of a test's source; of one that is no Python, the source itself."""
    try:
        tree = ast.parse(source)
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() as value) if name == OWN:
                    decides = value.value is False
                    value.value = True
                    return CounterTest(ast.unparse(tree), decides)
        functions = {node.name for node in ast.walk(tree) if isinstance(node, _Function)}
        _AskAgain(functions).visit(tree)
        has_cases = any(name.startswith(_CASES) for name in functions)
        blocks = [case.body for case in _cases(tree)] if has_cases else [tree.body]
        decides = sum(map(_let_fail, blocks)) > 0
        place = _first_statement(tree)
        tree.body[place:place] = ast.parse("\n".join(map(inspect.getsource, _OWN_SOURCES))).body
        return CounterTest(ast.unparse(ast.fix_missing_locations(tree)), decides)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return CounterTest(source, decides=False)


def _first_statement(tree: ast.Module) -> int:
    """Return the place behind a docstring and the imports from `__future__`."""
    for place, node in enumerate(tree.body):
        is_docstring = place == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_docstring and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            return place
    return len(tree.body)


class _AskAgain(ast.NodeTransformer):
    """A visitor that has all comparisons and assertions about two values asked again.

    Args:
        functions: of the test's own: `assertNearlyEqual` may take other values, and its comparisons are asked again.
    """

    def __init__(self, functions: set[str]) -> None:
        self._functions = functions

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node  # a text in a text may not be written again

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        names: list[Any] = [ast.Constant(_OPERATORS.get(type(each))) for each in node.ops]
        match node:
            case ast.Compare(
                left=ast.Call(func=ast.Name("abs") as size, args=[ast.BinOp(left, ast.Sub(), right)]),
                ops=[ast.Lt() | ast.LtE()],
                comparators=[limit],
            ):
                return _call(near_again.__name__, [*names, size, _hidden(left), _hidden(right), limit])
        if any(name.value is None for name in names):
            return node
        values = map(_hidden, (node.left, *node.comparators))
        return _call(compared_again.__name__, [ast.Tuple(names, ast.Load()), *values])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = ast.unparse(node.func).rpartition(".")[2]
        is_known = _ASSERTIONS.fullmatch(name) and name not in self._functions
        if not is_known or len(node.args) < 2 or any(isinstance(each, ast.Starred) for each in node.args):
            return node
        return _call(asserted_again.__name__, [node.func, *map(_hidden, node.args)], node.keywords)


def _hidden(node: ast.expr) -> ast.expr:
    """Return an expression for a literal that shows another value; any other expression as it is."""
    try:
        value = ast.literal_eval(node)
        decoy = ast.parse(repr(another_value(value)), mode="eval").body
        return _call(hidden.__name__, [decoy, ast.Constant(repr(value)[::-1])])
    except (ValueError, TypeError, SyntaxError, OverflowError):
        return node


def _call(name: str, arguments: list[ast.expr], named: list[ast.keyword] | None = None) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), arguments, named or [])


def _cases(tree: ast.AST) -> Iterator[_Function]:
    """Yield the functions that a runner calls, but for those that it may skip."""
    for node in ast.iter_child_nodes(tree):
        decorators = node.decorator_list if isinstance(node, _Function | ast.ClassDef) else []
        if any(_SKIPS.search(ast.unparse(each)) for each in decorators):
            continue
        if not isinstance(node, _Function):
            yield from _cases(node)
        elif node.name.startswith(_CASES):
            yield node


def _let_fail(block: list[ast.stmt]) -> bool:
    """Let a block of statements fail at its end, in place; return whether the end is surely reached."""
    match block[-1]:
        case ast.If(test=condition, body=body) if "__name__" in ast.unparse(condition):
            return not _may_leave(block[:-1]) and _let_fail(body)
        case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body) if not any(
            _EXPECTS_FAILURES.search(ast.unparse(item)) for item in items
        ):
            return not _may_leave(block[:-1]) and _let_fail(body)
        case ast.For(body=[*_, ast.With(items=[item])] as body) if "subTest" in ast.unparse(item):
            return not _may_leave(block[:-1]) and _let_fail(body)
        case ast.Expr(value=ast.Call(func=called, args=arguments)) if _EXITS.fullmatch(ast.unparse(called)):
            block[-1] = ast.Expr(ast.Tuple(arguments, ast.Load()))
    if _may_leave(block):
        return False
    block.append(ast.parse("raise AssertionError").body[0])
    return True


def _may_leave(block: list[ast.stmt]) -> bool:
    """Tell whether a block of statements may be left before its end without a failure."""
    nodes: list[ast.AST] = list(block)
    while nodes:
        node = nodes.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                continue
            case ast.Return():
                return True
            case ast.Raise() | ast.Call() if _SKIPS.search(ast.unparse(node)):
                return True
            case ast.Call(func=called, args=arguments) if _EXITS.fullmatch(ast.unparse(called)):
                match arguments:
                    case [ast.Constant(value=status)] if status:
                        pass
                    case _:
                        return True
        nodes += ast.iter_child_nodes(node)
    return False
