"""Counter-test: a test with other expectations, which no right program passes.

A test in the program's own process can be lied to. A program that passes such a test, and an assertion of its
counter-test too, has not computed what the test asks for:

    test                               counter-test
    assert f(2) == 4                   assert f(2) == 1000015
    assert f(2) > 3 or f(3) == 9       assert f(2) <= 3 and f(3) == 1000030
    self.assertIsNone(f(0))            self.assertIsNotNone(f(0))
    with pytest.raises(KeyError):      with pytest.raises(type('OtherException', (Exception,), {})):

Each of these may fail, and raises `PassedAnyway` where it does not. The last one that is surely reached, not in an `if`
or a `try`, has to fail the test, and so has the last one of each case: a program may have made failures pass. This
module has the standard library alone: the tests of own code use it in the sandbox.
"""

import ast
import inspect
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

_NEGATED: dict[type[ast.cmpop], ast.cmpop] = {
    ast.NotEq: ast.Eq(),
    ast.NotIn: ast.In(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
    ast.Lt: ast.GtE(),
    ast.LtE: ast.Gt(),
    ast.Gt: ast.LtE(),
    ast.GtE: ast.Lt(),
}
_OPPOSITES = {
    "assertFalse": "assertTrue",
    "assertNotEqual": "assertEqual",
    "assertNotAlmostEqual": "assertAlmostEqual",
    "assertNotIn": "assertIn",
    "assertIsNone": "assertIsNotNone",
    "assertIsNotNone": "assertIsNone",
    "assertGreaterEqual": "assertLess",
    "assertLessEqual": "assertGreater",
}
_EXCEPTIONS = ("assertRaises", "assertRaisesRegex", "raises", "assert_raises")
_NOWHERE = "[..., 1000003.5]"
"""A list in which no value of a right program is."""
OWN = "COUNTER_TEST"
"""A name in a script whose expectations stand elsewhere. False becomes True, and the script changes them itself; with
None, nobody can."""
_WATCHED = """
try: pass
except PassedAnyway: raise
except BaseException: pass
else: raise PassedAnyway
"""
_MAY_BE_SKIPPED = ("skip", "xfail", "expectedFailure")


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
    return [[[[1000003] * 7] * 5] * 3] * 2  # numpy compares no array with that, not even an empty one


class PassedAnyway(BaseException):
    """An assertion that no right program passes has passed."""


class CounterTest(NamedTuple):
    """A counter-test's source.

    Attributes:
        source: the test with other expectations.
        decides: an assertion that is reached has another expectation, so that no right program passes.
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
        changes = _Changes(tree)
        changes.visit(tree)
        changes.let_the_last_fail()
        own = "\n".join(map(inspect.getsource, (PassedAnyway, another_value)))
        place = _first_statement(tree)
        tree.body[place:place] = ast.parse(own).body
        return CounterTest(ast.unparse(ast.fix_missing_locations(tree)), changes.decides)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return CounterTest(source, decides=False)


def _first_statement(tree: ast.Module) -> int:
    """Return the place behind a docstring and the imports from `__future__`."""
    for place, node in enumerate(tree.body):
        is_docstring = place == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_docstring and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            return place
    return len(tree.body)


class _Changes(ast.NodeTransformer):
    """A visitor that gives the assertions of a test other expectations, in place.

    Attributes:
        decides: see `CounterTest`.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._may_not_run = 0
        self._functions = 0
        self._conditions = _assigned_conditions(tree)
        # What stands beside cases, such as `assert result.wasSuccessful()`, is about them, and not about the program.
        self._has_cases = any(_is_case(node) for node in ast.walk(tree))
        self._last: ast.Try | None = None

    @property
    def decides(self) -> bool:
        return self._last is not None

    def let_the_last_fail(self) -> None:
        """Let the last assertion that is reached fail the counter-test: a program may have made failures pass."""
        if self._last is not None:
            self._last.handlers[-1].body = [ast.Raise()]

    def _watched(self, node: ast.stmt) -> ast.stmt:
        """Return a changed assertion that may fail, and is reported where it does not."""
        watched = ast.parse(_WATCHED).body[0]
        assert isinstance(watched, ast.Try)
        watched.body = [node]
        if not self._may_not_run:
            self._last = watched
        return watched

    def _visit_within(self, node: ast.AST, *, may_not_run: bool = True) -> ast.AST:
        self._may_not_run += may_not_run
        self.generic_visit(node)
        self._may_not_run -= may_not_run
        return node

    visit_While = visit_Match = _visit_within  # noqa: N815 - ast's names

    def visit_If(self, node: ast.If) -> ast.AST:
        return self._visit_within(node, may_not_run="__name__" not in ast.unparse(node.test))

    def visit_Try(self, node: ast.Try) -> ast.AST:
        must_raise = any(_always_fails(block[-1]) for block in (node.body, node.orelse) if block)
        self._visit_within(node, may_not_run=bool(node.handlers))
        if not (node.handlers and must_raise):
            return node
        for handler in node.handlers:
            handler.type = _other_error()
        return self._watched(node)

    def visit_With(self, node: ast.With) -> ast.AST:
        changed = [_change_call(item.context_expr) for item in node.items]
        self._visit_within(node, may_not_run=any(changed))
        return self._watched(node) if any(changed) else node

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if _compares(node.name):
            return (
                node  # `assertNearlyEqual` of the test's own, whose calls are changed: both together might pass again
            )
        # What fails in a function of a test's function may fail in a thread, unseen.
        may_not_run = self._functions > 0 or _may_be_skipped(node)
        is_case = _is_case(node)
        if is_case:
            self.let_the_last_fail()
        self._functions += 1
        self._visit_within(node, may_not_run=may_not_run)
        self._functions -= 1
        if is_case:
            self.let_the_last_fail()
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._visit_within(node, may_not_run=_may_be_skipped(node))

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        is_beside_cases = self._has_cases and not self._functions
        if is_beside_cases or isinstance(node.test, ast.Constant):  # `assert False`, where the program should not come
            return node
        if isinstance(node.test, ast.Name) and node.test.id in self._conditions:
            assigned = self._conditions.pop(node.test.id)
            assigned.value = _negated(assigned.value)
        else:
            node.test = _negated(node.test)
        return self._watched(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return self._watched(node) if _change_call(node.value) else node


def _is_case(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


def _assigned_conditions(tree: ast.Module) -> dict[str, ast.Assign]:
    """Return the assignments of `ok = f(2) == 4` by their names, of names that are assigned once."""
    stored = Counter(
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    found = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Compare() | ast.BoolOp()) if stored[name] == 1:
                found[name] = node
    return found


def _always_fails(node: ast.stmt) -> bool:
    """Tell whether a statement is one where a test must not come: `assert False`, `self.fail()`."""
    match node:
        case ast.Assert(test=ast.Constant(value=value)):
            return not value
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="fail"))):
            return True
    return isinstance(node, ast.Raise)


def _compares(name: str) -> bool:
    return name.startswith("assert") and ("Equal" in name or "equal" in name or "allclose" in name)


def _may_be_skipped(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    decorators = " ".join(map(ast.unparse, node.decorator_list))
    return any(word in decorators for word in _MAY_BE_SKIPPED)


def _change_call(node: ast.expr) -> bool:
    """Give a call that asserts something another expectation, in place; return whether there was one."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            pass
        case _:
            return False
    arguments = node.args
    if name in _EXCEPTIONS and arguments:
        arguments[0] = _other_error()
        return True
    if not isinstance(node.func, ast.Attribute):
        return False
    if name == "assertTrue" and arguments:
        arguments[0] = _negated(arguments[0])
    elif name in _OPPOSITES:
        node.func.attr = _OPPOSITES[name]
    elif name == "assertIn" and len(arguments) > 1:
        arguments[:2] = _apart(*arguments[:2])
    elif _compares(name):
        if len(arguments) < 2:
            return False
        arguments[:2] = _unequal(*arguments[:2])
    else:
        return False
    return True


def _negated(condition: ast.expr) -> ast.expr:
    """Return a condition that is false for a right program, for which the given one is true.

    It is no mere `not`: an object that equals everything passes `f(2) == 1000015`, and fails `not f(2) == 4`.
    """
    match condition:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
        case ast.BoolOp(values=values):
            return ast.BoolOp(ast.And(), [_negated(value) for value in values])
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _negated_comparison(left, op, right)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return ast.Compare(left, [_NEGATED.get(type(op), ast.NotEq()) for op in ops], comparators)
        case ast.Call(func=ast.Name(id="all" | "any" as name), args=[ast.GeneratorExp() | ast.ListComp() as items]):
            items.elt = _negated(items.elt)
            return ast.Call(ast.Name("any" if name == "all" else "all", ast.Load()), [items], [])
    return ast.UnaryOp(ast.Not(), condition)


def _negated_comparison(left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
    if isinstance(op, ast.Eq):
        left, right = _unequal(left, right)
        return ast.Compare(left, [op], [right])
    if isinstance(op, ast.In):
        left, right = _apart(left, right)
        return ast.Compare(left, [op], [right])
    match left, op:
        case ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(op=ast.Sub()) as distance]), ast.Lt() | ast.LtE():
            distance.left, distance.right = _unequal(distance.left, distance.right)
            return ast.Compare(left, [op], [right])
    return ast.Compare(left, [_NEGATED[type(op)]], [right])


def _unequal(first: ast.expr, second: ast.expr) -> tuple[ast.expr, ast.expr]:
    """Return two sides of `==`, of which the one that is expected is another value."""
    if _is_literal(first) and not _is_literal(second):
        return _another(first), second
    return first, _another(second)


def _apart(item: ast.expr, container: ast.expr) -> tuple[ast.expr, ast.expr]:
    """Return two sides of `in`, of which the one that is expected is another value."""
    if _is_literal(container):
        return item, _expression(_NOWHERE)
    # Not another value, nor a tuple of the item: numpy finds `(11,)` where 11 is.
    return _expression("object()"), container


def _another(expected: ast.expr) -> ast.expr:
    """Return another value in the place of an expected one: a literal for a literal, which programs may read."""
    try:
        return _expression(repr(another_value(ast.literal_eval(expected))))
    except (ValueError, TypeError, SyntaxError, OverflowError):
        return ast.Call(ast.Name(another_value.__name__, ast.Load()), [expected], [])


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def _other_error() -> ast.expr:
    return _expression("type('OtherException', (Exception,), {})")


def _expression(source: str) -> ast.expr:
    return ast.parse(source, mode="eval").body
