"""Test rewriting: assertions as calls whose values are judged outside.

`assert f(2) == 4` is the call `f(2)`, and what holds for its value: `value == 4`. `x = f(2); assert x == 4` is a
statement to be executed, and the same; `self.assertTrue(f(2))` is the call `not not (f(2))`. A program says what `f(2)`
is, and never learns what it should be.
"""

import ast
import copy
import functools
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from iterpref_core.execution.sandbox.encoding import summarize
from iterpref_core.source_code.syntax_tree import PARSE_LOCK, parse

COMPARING_METHODS: dict[str, type[ast.cmpop]] = {
    "assertEqual": ast.Eq, "assertListEqual": ast.Eq, "assertTupleEqual": ast.Eq, "assertDictEqual": ast.Eq,
    "assertSetEqual": ast.Eq, "assertSequenceEqual": ast.Eq, "assertMultiLineEqual": ast.Eq,
    "assertNotEqual": ast.NotEq, "assertGreater": ast.Gt, "assertGreaterEqual": ast.GtE, "assertLess": ast.Lt,
    "assertLessEqual": ast.LtE, "assertIs": ast.Is, "assertIsNot": ast.IsNot, "assertIn": ast.In,
    "assertNotIn": ast.NotIn,
}  # fmt: skip
"""Methods of `unittest.TestCase` that are a comparison of their first two arguments."""
_JUDGED_BY_THE_PROGRAM = (ast.Compare, ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
_COMPARING = frozenset(
    {"almost", "isclose", "allclose", "array_equal", "eq", "ne", "equal", "approx", "filter", "isinstance"}
)
"""Calls in which an object of the program's would decide about its own equality."""
_LIVE = (ast.Call, ast.Name, ast.Attribute, ast.Subscript)
_RAISING = ("self.assertRaises", "pytest.raises", "unittest.TestCase().assertRaises")


class _Constants(ast.NodeTransformer):
    """`nan`, `inf`, `float("inf")`, `frozenset({1})` as the constants that they are."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(float(node.id)) if node.id in ("nan", "inf") else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        match node:
            case ast.Call(func=ast.Name("float"), args=[ast.Constant(str() as text)], keywords=[]):
                return ast.Constant(float(text))
            case ast.Call(func=ast.Name("frozenset"), args=[] | [_], keywords=[]):
                return ast.Constant(frozenset(*map(literal, node.args)))  # type: ignore[arg-type]
        return node


def literal(node: ast.expr) -> Any:
    """The value of a literal; `nan`, `inf`, `float("inf")`, `set()` and `frozenset({...})` are literals too.

    Raises:
        ValueError: it is not one.
    """
    try:
        return ast.literal_eval(_Constants().visit(copy.deepcopy(node)))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ValueError("no literal") from None


@dataclass(frozen=True)
class Expected:
    """What is expected of a value.

    Attributes:
        holds: whether a value is right; what it raises, a value that cannot be compared raises.
        source: what people are told that it should be; None if nobody can say.
        text: canonical text of the one value that is certainly right; empty if there is no such.
    """

    holds: Callable[[Any], Any]
    source: str | None = None
    text: str = ""


def identical(left: Any, right: Any) -> bool:
    """Equality with exact types all the way down; nan equals nan, 0.0 equals -0.0."""
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is list or kind is tuple:
        return len(left) == len(right) and all(map(identical, left, right))
    if kind is dict:
        return identical(set(left), set(right)) and all(identical(value, right[key]) for key, value in left.items())
    if kind is set or kind is frozenset:
        kinds = {item: type(item) for item in left}
        return bool(left == right) and all(type(item) is kinds[item] for item in right)
    return bool(left == right or (kind is float and math.isnan(left) and math.isnan(right)))


def is_close(actual: Any, expected: Any, atol: float) -> bool:
    """`numpy.allclose` for the plain values that tasks return; anything else is not close."""
    import numpy as np

    if type(actual) is not type(expected):
        return False
    if isinstance(expected, list | tuple) and len(actual) != len(expected):
        return False
    try:
        return bool(np.allclose(actual, expected, rtol=1e-07, atol=atol))
    except (TypeError, ValueError, OverflowError):
        return False


@functools.lru_cache(maxsize=4096)
def expect(source: str, atol: float | None = None) -> Expected:
    """What an `io` test expects: a value of exactly these types, or, with a tolerance, one that is close.

    Raises:
        ValueError: the source is not a literal.
    """
    try:
        value = literal(parse(source.strip(), "eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"not a Python literal: {source[:80]!r}") from None
    if atol is None:
        return Expected(functools.partial(identical, value), source.strip(), summarize(value))
    return Expected(lambda actual: value == actual or (atol > 0 and is_close(actual, value, atol)), source.strip())


class Step(NamedTuple):
    """One thing the sandbox does and reports on: a test, or a piece of one.

    Attributes:
        kind: `call` and `lenient` return a value (of exact types, and of what holds one), `apply` returns one for the
            judge, `livecodebench` what the program prints, also for the judge; `console` is a script; `raises` are
            statements that must raise, `exec` those that decide nothing, `scope` begins a test with names of its own
            (`own`) or ends it; `check`, `unittest` and `script` only pass or fail.
        body: an expression, statements, a text to be read, a unittest source, a script test as a mapping, or, for
            `apply`, the function, the arguments and the function of the result.
        expected: of a value that is judged outside; of `raises`, the name of the exception is its source.
        shown: what is run, as Python source, where the body is none.
        test: index of the test it belongs to.
    """

    kind: str
    body: Any
    expected: Expected | None = None
    shown: Callable[[], str] | None = None
    test: int = 0

    @property
    def source(self) -> str:
        """What is run, as Python source."""
        return str(self.body) if self.shown is None else self.shown()


def _is_live(node: ast.AST) -> bool:
    return any(isinstance(part, _LIVE) for part in ast.walk(node))


def _is_outside(node: ast.expr) -> bool:
    """Whether an expression says what a value is, and compares nothing on its way."""
    for part in ast.walk(node):
        if isinstance(part, _JUDGED_BY_THE_PROGRAM):
            return False
        if isinstance(part, ast.UnaryOp | ast.BinOp) and _is_live(part):
            return False
        if isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
            if name in _COMPARING or name.startswith("assert"):
                return False
        if isinstance(part, ast.Name) and part.id == "self":
            return False
    return _is_live(node)


def _almost(first: Any, second: Any, places: int | None = None, delta: float | None = None) -> bool:
    """`TestCase.assertAlmostEqual`."""
    if first == second:
        return True
    distance = abs(first - second)
    return bool(distance <= delta if delta is not None else round(distance, 7 if places is None else places) == 0)


class _Condition:
    """A condition as a function of the one value in it that the program says; everything else is a literal."""

    def __init__(self, node: ast.expr) -> None:
        self.live: list[ast.expr] = []
        self._names: dict[str, Any] = {"abs": abs, "isclose": math.isclose, "almost": _almost, "__builtins__": {}}
        tree = ast.fix_missing_locations(ast.Expression(self._outside(node)))
        with PARSE_LOCK:
            self._code = compile(tree, "<condition>", "eval")

    def holds(self, value: Any) -> bool:
        return bool(eval(self._code, {**self._names, "value": value}))

    def _operand(self, node: ast.expr) -> ast.expr:
        name = "value"
        try:
            value = literal(node)
        except ValueError:
            self.live.append(node)
        else:
            name = f"literal_{len(self._names)}"
            self._names[name] = value
        return ast.Name(name, ast.Load())

    def _outside(self, node: ast.expr) -> ast.expr:
        """The part of the condition that is evaluated outside, around values."""
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return ast.UnaryOp(ast.Not(), self._outside(inner))
            case ast.Compare(left=left, ops=ops, comparators=others) if not _asks_the_value(node):
                return ast.Compare(self._outside(left), ops, [self._outside(right) for right in others])
            case ast.Call(func=ast.Name("abs"), args=[ast.BinOp(left, ast.Sub(), right)], keywords=[]):
                return ast.Call(node.func, [ast.BinOp(self._operand(left), ast.Sub(), self._operand(right))], [])
            case ast.Call(args=[left, right], keywords=words) if ast.unparse(node.func) in (
                *("almost", "isclose", "math.isclose"),
            ):
                words = [ast.keyword(word.arg, self._operand(word.value)) for word in words]
                name = ast.unparse(node.func).rpartition(".")[2]
                return ast.Call(ast.Name(name, ast.Load()), [self._operand(left), self._operand(right)], words)
        return self._operand(node)


def _asks_the_value(node: ast.Compare) -> bool:
    """Whether a comparison asks for identity, or an object of the program's what is in it."""
    last = node.comparators[-1]
    asked = any(isinstance(op, ast.In | ast.NotIn) for op in node.ops) and (len(node.ops) > 1 or _is_live(last))
    return asked or any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)


def _condition(node: ast.expr) -> Step | None:
    """A condition that must be true; None if it has to be judged inside."""
    wanted: bool | None = True
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=call) if _is_outside(call):
            source = f"not ({ast.unparse(call)})"
        case ast.Compare(left=call, ops=[ast.IsNot() | ast.NotEq()], comparators=[ast.Constant(None)]):
            source = f"({ast.unparse(call)}) is not None"  # no program can overrule that
        case ast.Compare(left=call, ops=[ast.Is()], comparators=[ast.Constant(None | True | False as wanted)]):
            source = ast.unparse(call)
        case call if _is_outside(call):
            source = f"not not ({ast.unparse(call)})"
        case _:
            return _comparison(node)
    return Step("call", source, expect(repr(wanted))) if _is_outside(call) else None


def _comparison(node: ast.expr) -> Step | None:
    condition = _Condition(node)
    if len(condition.live) != 1 or condition.live[0] is node or not _is_outside(condition.live[0]):
        return None
    (call,) = condition.live
    expected = Expected(condition.holds, ast.unparse(node))
    match node:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]) if call in (left, right):
            expectation = left if call is right else right
            value = literal(expectation)
            expected = Expected(functools.partial(operator.eq, value), ast.unparse(expectation), summarize(value))
    return Step("lenient", ast.unparse(call), expected)


def _condition_of(call: ast.Call) -> ast.expr | None:
    """What a method of a test case asks for, as a condition: `f(2) == 4` for `self.assertEqual(f(2), 4)`."""
    words = [word for word in call.keywords if word.arg != "msg"]
    match call.func, call.args:
        case ast.Attribute(value=ast.Name("self"), attr="assertAlmostEqual" | "assertAlmostEquals"), [_, _, *places]:
            words += [ast.keyword("places", digits) for digits in places[:1]]
            return ast.Call(ast.Name("almost", ast.Load()), call.args[:2], words)
        case ast.Attribute(value=ast.Name("self"), attr=name), [first, *others] if not words:
            pass
        case _:
            return None
    comparison: ast.expr | None = None
    name = name.replace("Equals", "Equal")  # Python 3.11 knows both
    if name in COMPARING_METHODS and others:
        comparison = ast.Compare(first, [COMPARING_METHODS[name]()], others[:1])
    elif name in ("assertIsNone", "assertIsNotNone"):
        comparison = ast.Compare(first, [ast.Is() if name == "assertIsNone" else ast.IsNot()], [ast.Constant(None)])
    elif name in ("assertTrue", "assertFalse"):
        comparison = first if name == "assertTrue" else ast.UnaryOp(ast.Not(), first)
    return comparison


def _raises(node: ast.stmt) -> Step | None:
    """`with self.assertRaises(ValueError): f(-1)`, and `self.assertRaises(ValueError, f, -1)`."""
    match node:
        case ast.With(
            items=[ast.withitem(ast.Call(func=called, args=[kind], keywords=[]), optional_vars=None)], body=body
        ):
            inner: list[Any] = body
        case ast.Expr(ast.Call(func=called, args=[kind, function, *arguments], keywords=keywords)):
            inner = [ast.Expr(ast.Call(function, arguments, keywords))]
        case _:
            return None
    if ast.unparse(called) not in _RAISING or not isinstance(kind, ast.Name | ast.Attribute):
        return None
    if any(map(_asserts, inner)):
        return None
    name = kind.id if isinstance(kind, ast.Name) else kind.attr
    return Step("raises", "\n".join(map(ast.unparse, inner)), Expected(bool, name))


def _asserts(node: ast.AST) -> bool:
    """Whether a statement asserts anything, uses the test case, or may end the test."""
    ends = ast.Assert if isinstance(node, ast.FunctionDef | ast.ClassDef) else ast.Assert | ast.Return | ast.Raise
    return any(
        isinstance(part, ends)
        or (isinstance(part, ast.Name) and part.id == "self")
        or (isinstance(part, ast.Attribute) and part.attr.startswith(("assert", "raises", "testing")))
        for part in ast.walk(node)
    )


def _pieces(statements: list[ast.stmt]) -> Iterator[Step]:
    for node in statements:
        condition: ast.expr | None = None
        match node:
            case ast.Assert(test=ast.BoolOp(op=ast.And(), values=values), msg=message):
                yield from _pieces([ast.Assert(value, message) for value in values])
                continue
            case ast.Assert(test=asserted):
                condition = asserted
            case ast.Expr(ast.Call() as call):
                condition = _condition_of(call)
        judged = (condition and _condition(condition)) or _raises(node)
        yield judged or Step("check" if _asserts(node) else "exec", ast.unparse(node))


@functools.lru_cache(maxsize=4096)
def rewrite_assert(source: str) -> tuple[Step, ...]:
    """Statements in pieces, each judged outside as far as can be; what cannot be parsed is one piece."""
    try:
        pieces = tuple(_pieces(parse(source).body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return (Step("check", source),)
    judged = any(piece.kind != "exec" for piece in pieces)
    helpers = any(piece.kind == "check" and piece.source.startswith(("def ", "class ")) for piece in pieces)
    return pieces if judged and not helpers else (Step("check", source),)


def is_test_case(node: ast.stmt) -> bool:
    """Whether a statement defines a class of tests."""
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("TestCase") for base in node.bases)


def _of_class(node: ast.ClassDef) -> Iterator[Step]:
    """The methods of a plain class of tests, each with names of its own.

    Raises:
        ValueError: it has more than plain methods, or one that has to be judged inside.
    """
    for method in sorted(node.body, key=lambda member: getattr(member, "name", "")):
        match method:
            case ast.FunctionDef(decorator_list=[], args=ast.arguments(args=[_], defaults=[])):
                pieces = list(_pieces(method.body))
            case ast.Expr(ast.Constant()):
                continue
            case _:
                raise ValueError("more than tests")
        kinds = {piece.kind for piece in pieces}
        if not method.name.startswith("test") or "check" in kinds or kinds <= {"exec"} or node.decorator_list:
            raise ValueError("to be judged inside")
        if any(isinstance(part, ast.Global | ast.Nonlocal | ast.Yield | ast.Await) for part in ast.walk(method)):
            raise ValueError("not straight on")
        yield Step("scope", "own")
        yield from pieces
    yield Step("scope", "")


@functools.lru_cache(maxsize=1024)
def rewrite_unittest(source: str) -> tuple[Step, ...]:
    """The tests of a source of `unittest` classes in pieces, all judged outside; empty where that cannot be."""
    pieces: list[Step] = []
    try:
        for node in parse(source).body:
            if isinstance(node, ast.ClassDef) and is_test_case(node):
                pieces += _of_class(node)
            elif isinstance(node, ast.ClassDef | ast.If | ast.Try | ast.With | ast.For) or _asserts(node):
                return ()
            else:
                pieces.append(Step("exec", ast.unparse(node)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(pieces) if any(piece.kind not in ("exec", "scope") for piece in pieces) else ()
