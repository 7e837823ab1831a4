"""Test rewriting: assertions as calls whose values are judged outside.

`assert f(2) == 4` is the call `f(2)` and the expectation `== 4`; `x = f(2); assert x == 4` is a statement to be
executed, and the same; `self.assertTrue(f(2))` is the call `not not (f(2))`. A program says what `f(2)` is, and never
learns what it should be.
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

_SPECIAL = {"nan": float("nan"), "inf": float("inf")}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda value, literal: value in literal,
    ast.NotIn: lambda value, literal: value not in literal,
}
_WORDS = {
    ast.NotEq: "anything but ", ast.Lt: "less than ", ast.LtE: "at most ", ast.Gt: "more than ", ast.GtE: "at least ",
    ast.In: "one of ", ast.NotIn: "none of ",
}  # fmt: skip
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.Eq, ast.NotEq: ast.NotEq, ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE,
}  # fmt: skip
_UNITTEST = {
    "assertEqual": ast.Eq, "assertEquals": ast.Eq, "assertListEqual": ast.Eq, "assertTupleEqual": ast.Eq,
    "assertDictEqual": ast.Eq, "assertSetEqual": ast.Eq, "assertSequenceEqual": ast.Eq,
    "assertMultiLineEqual": ast.Eq, "assertNotEqual": ast.NotEq, "assertGreater": ast.Gt,
    "assertGreaterEqual": ast.GtE, "assertLess": ast.Lt, "assertLessEqual": ast.LtE, "assertIs": ast.Is,
    "assertIsNot": ast.IsNot, "assertIn": ast.In, "assertNotIn": ast.NotIn,
}  # fmt: skip
_JUDGED_BY_THE_PROGRAM = (ast.Compare, ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
_COMPARING = frozenset({"isclose", "allclose", "array_equal", "eq", "ne", "equal", "approx", "filter", "isinstance"})
"""Calls in which an object of the program's would decide about its own equality."""
_TOLERANCES = {"rel_tol": 1e-9, "abs_tol": 0.0}
_LIVE = (ast.Call, ast.Name, ast.Attribute, ast.Subscript)
_NOT_A_LITERAL = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)


class _Specials(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.copy_location(ast.Constant(_SPECIAL[node.id]), node) if node.id in _SPECIAL else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """`float("inf")`, as the inner constant."""
        match node:
            case ast.Call(func=ast.Name("float"), args=[ast.Constant(str() as text)], keywords=[]):
                return ast.copy_location(ast.Constant(float(text)), node)
        return node


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Name("frozenset"), args=[inner], keywords=[]):
            return frozenset(_literal(inner))
        case ast.Call(func=ast.Name("frozenset"), args=[], keywords=[]):
            return frozenset()
    return ast.literal_eval(_Specials().visit(copy.deepcopy(node)))


def parse_literal(source: str) -> Any:
    """The value of a Python literal; `nan`, `inf`, `float("inf")`, `set()` and `frozenset({...})` are literals too.

    Raises:
        ValueError: it is not one.
    """
    try:
        return _literal(ast.parse(source.strip(), mode="eval").body)
    except _NOT_A_LITERAL:
        raise ValueError(f"not a Python literal: {source[:80]!r}") from None


@dataclass(frozen=True)
class Expected:
    """What is expected of a value.

    Attributes:
        holds: whether a value is right.
        source: what people are told that it should be.
        text: canonical text of the one value that is certainly right; empty if there is no such.
        value: that value.
    """

    holds: Callable[[Any], Any]
    source: str
    text: str = ""
    value: Any = None


@functools.lru_cache(maxsize=4096)
def expect(source: str) -> Expected:
    """What a test expects, parsed.

    Raises:
        ValueError: the source is not a literal.
    """
    return _exactly(parse_literal(source), source.strip())


class Judged(NamedTuple):
    """A piece of a test.

    Attributes:
        kind: `lenient` or `call` for an expression whose value is judged outside, `raises` for statements that must
            raise, `exec` for statements that decide nothing, `scope` for the begin of a test with names of its own
            (`own`) or the end of it, `check` for statements that have to be judged inside.
        source: the expression or the statements.
        expected: of a value; of `raises`, the name of the exception is its source.
    """

    kind: str
    source: str
    expected: Expected | None = None


def _parse(source: str) -> list[ast.stmt]:
    """Statements whose expressions know how they were written."""
    body, lines = ast.parse(source).body, [line.encode() for line in source.split("\n")]
    for node in (part for statement in body for part in ast.walk(statement) if isinstance(part, ast.expr)):
        if node.lineno == node.end_lineno:
            node.written = lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode()  # type: ignore[attr-defined]
    return body


def _source(node: ast.expr) -> str:
    """An expression as it was written, on one line."""
    return getattr(node, "written", None) or ast.unparse(node)


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


def _value_of(node: ast.expr) -> Any:
    """The value of a literal.

    Raises:
        ValueError: it is not one.
    """
    try:
        return _literal(node)
    except _NOT_A_LITERAL:
        raise ValueError("no literal") from None


def _comparison(left: ast.expr, kind: type[ast.cmpop], right: ast.expr) -> Judged | None:
    """A comparison of an expression with a literal."""
    sides = [(left, kind, right)]
    if kind in _MIRRORED:
        sides.append((right, _MIRRORED[kind], left))
    for call, how, literal in sides:
        try:
            value = _value_of(literal)
        except ValueError:
            continue
        if how is ast.IsNot or (how is ast.NotEq and value is None):
            source = f"({_source(call)}) is not {_source(literal)}"  # no program can overrule that
            return Judged("call", source, expect("True")) if _is_outside(call) else None
        if how is ast.Is and value is not None and not isinstance(value, bool):
            return None
        if near := _distance(call, how, value):
            return near
        if not _is_outside(call):
            continue
        source = _source(literal)
        if how in (ast.Eq, ast.Is):
            kind_of_step = "lenient" if how is ast.Eq else "call"
            return Judged(kind_of_step, _source(call), _exactly(value, source))
        holds = functools.partial(_compare, _COMPARISONS[how], value)
        return Judged("lenient", _source(call), Expected(holds, _WORDS[how] + source))
    return None


def _compare(how: Callable[[Any, Any], Any], literal: Any, value: Any) -> bool:
    return bool(how(value, literal))


def _exactly(value: Any, source: str) -> Expected:
    return Expected(functools.partial(operator.eq, value), source, summarize(value), value)


def _literal_of(first: ast.expr, second: ast.expr) -> tuple[ast.expr, Any] | None:
    """Of two expressions the one that is no literal, and the value of the one that is."""
    for call, literal in ((first, second), (second, first)):
        try:
            return call, _value_of(literal)
        except ValueError:
            continue
    return None


def _near(first: ast.expr, second: ast.expr, holds: Callable[[Any, Any], Any]) -> Judged | None:
    """A comparison with a number, in which some distance is allowed."""
    found = _literal_of(first, second)
    if (
        found is None
        or isinstance(found[1], bool)
        or not isinstance(found[1], int | float)
        or not _is_outside(found[0])
    ):
        return None
    call, wanted = found
    return Judged("lenient", _source(call), Expected(lambda value: holds(value, wanted), f"about {wanted!r}"))


def _distance(node: ast.expr, how: type[ast.cmpop], limit: Any) -> Judged | None:
    """`abs(f(2) - 3.14) < 1e-6`."""
    match node:
        case ast.Call(func=ast.Name("abs"), args=[ast.BinOp(left, ast.Sub(), right)], keywords=[]):
            compare = _COMPARISONS[how]
            return _near(left, right, lambda value, wanted: compare(abs(value - wanted), limit))
    return None


def _is_close(node: ast.Call) -> Judged | None:
    """`math.isclose(f(2), 3.14, rel_tol=1e-6)`."""
    if ast.unparse(node.func) not in ("math.isclose", "isclose") or len(node.args) != 2:
        return None
    try:
        tolerances = _TOLERANCES | {str(word.arg): _value_of(word.value) for word in node.keywords}
    except ValueError:
        return None
    return _near(node.args[0], node.args[1], lambda value, wanted: math.isclose(value, wanted, **tolerances))


def _condition(node: ast.expr, *, truth: bool = True) -> Judged | None:
    """A condition that must be true, or false."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return _condition(inner, truth=not truth)
        case ast.Compare(left=left, ops=[how], comparators=[right]) if truth:
            return _comparison(left, type(how), right)
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return _comparison(left, ast.NotEq, right)
        case ast.Call() if truth and (close := _is_close(node)):
            return close
    if not _is_outside(node):
        return None
    return Judged("lenient", f"not not ({_source(node)})", _exactly(truth, str(truth)))


def _almost(first: ast.expr, second: ast.expr, places: int | None, delta: float | None) -> Judged | None:
    """`self.assertAlmostEqual(f(2), 3.14, places=2)`."""

    def holds(value: Any, wanted: Any) -> bool:
        distance = abs(value - wanted)
        near = round(distance, 7 if places is None else places) == 0 if delta is None else distance <= delta
        return bool(value == wanted or near)

    return _near(first, second, holds)


def _method_call(node: ast.Call) -> Judged | None:  # noqa: PLR0911 - one a family of methods
    """`self.assertEqual(f(2), 4)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name("self"), attr=name), args=args, keywords=keywords):
            pass
        case _:
            return None
    try:
        options = {str(word.arg): _value_of(word.value) for word in keywords if word.arg != "msg"}
    except ValueError:
        return None
    if name in ("assertAlmostEqual", "assertAlmostEquals") and len(args) in (2, 3):
        places = _value_of(args[2]) if len(args) == 3 and not _is_live(args[2]) else options.get("places")
        return _almost(args[0], args[1], places, options.get("delta"))
    if options:
        return None
    if name in _UNITTEST and len(args) in (2, 3):
        return _comparison(args[0], _UNITTEST[name], args[1])
    if name in ("assertTrue", "assertFalse") and len(args) in (1, 2):
        return _condition(args[0], truth=name == "assertTrue")
    if name in ("assertIsNone", "assertIsNotNone") and len(args) in (1, 2):
        return _comparison(args[0], ast.Is if name == "assertIsNone" else ast.IsNot, ast.Constant(None))
    return None


def _raises(node: ast.stmt) -> Judged | None:
    """`with self.assertRaises(ValueError): f(-1)`, and `self.assertRaises(ValueError, f, -1)`."""
    match node:
        case ast.With(
            items=[ast.withitem(ast.Call(func=called, args=[kind], keywords=[]), optional_vars=None)], body=body
        ):
            source = "\n".join(map(ast.unparse, body))
            inner: list[ast.AST] = list(body)
        case ast.Expr(ast.Call(func=called, args=[kind, function, *arguments], keywords=keywords)):
            source = ast.unparse(ast.Call(function, arguments, keywords))
            inner = [function, *arguments, *keywords]
        case _:
            return None
    if ast.unparse(called) not in ("self.assertRaises", "pytest.raises", "unittest.TestCase().assertRaises"):
        return None
    if not isinstance(kind, ast.Name | ast.Attribute) or any(map(_asserts, inner)):
        return None
    name = kind.id if isinstance(kind, ast.Name) else kind.attr
    return Judged("raises", source, Expected(bool, name))


def _asserts(node: ast.AST) -> bool:
    """Whether a statement asserts anything, uses the test case, or may end the test."""
    ends = ast.Assert if isinstance(node, ast.FunctionDef | ast.ClassDef) else ast.Assert | ast.Return | ast.Raise
    return any(
        isinstance(part, ends)
        or (isinstance(part, ast.Name) and part.id == "self")
        or (isinstance(part, ast.Attribute) and part.attr.startswith(("assert", "raises", "testing")))
        for part in ast.walk(node)
    )


def _pieces(statements: list[ast.stmt]) -> Iterator[Judged]:
    for node in statements:
        judged = None
        match node:
            case ast.Assert(test=ast.BoolOp(op=ast.And(), values=values), msg=message):
                yield from _pieces([ast.Assert(value, message) for value in values])
                continue
            case ast.Assert(test=condition):
                judged = _condition(condition)
            case ast.Expr(ast.Call() as call):
                judged = _method_call(call)
        judged = judged or _raises(node)
        if judged is None:
            judged = Judged("check" if _asserts(node) else "exec", ast.unparse(node))
        yield judged


@functools.lru_cache(maxsize=4096)
def rewrite_assert(source: str) -> tuple[Judged, ...]:
    """Statements in pieces, each judged outside as far as can be; what cannot be parsed is one piece."""
    try:
        pieces = tuple(_pieces(_parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return (Judged("check", source),)
    judged = any(piece.kind != "exec" for piece in pieces)
    helpers = any(piece.kind == "check" and piece.source.startswith(("def ", "class ")) for piece in pieces)
    return pieces if judged and not helpers else (Judged("check", source),)


def is_test_case(node: ast.stmt) -> bool:
    """Whether a statement defines a class of tests."""
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("TestCase") for base in node.bases)


def _of_class(node: ast.ClassDef) -> Iterator[Judged]:
    """The methods of a plain class of tests, each with names of its own.

    Raises:
        ValueError: it has more than plain methods, or one that has to be judged inside.
    """
    methods: dict[str, ast.FunctionDef] = {}
    for member in node.body:
        match member:
            case ast.FunctionDef(name=name, decorator_list=[], args=ast.arguments(args=[_], defaults=[])) if (
                name.startswith("test")
            ):
                methods[name] = member
            case ast.Pass() | ast.Expr(ast.Constant()):
                continue
            case _:
                raise ValueError("more than tests")
    if node.decorator_list or node.keywords or not methods:
        raise ValueError("no plain class")
    for _, method in sorted(methods.items()):
        pieces = list(_pieces(method.body))
        if any(piece.kind == "check" for piece in pieces) or all(piece.kind == "exec" for piece in pieces):
            raise ValueError("to be judged inside")
        if any(isinstance(part, ast.Global | ast.Nonlocal | ast.Yield | ast.Await) for part in ast.walk(method)):
            raise ValueError("not straight on")
        yield Judged("scope", "own")
        yield from pieces
    yield Judged("scope", "")


@functools.lru_cache(maxsize=1024)
def rewrite_unittest(source: str) -> tuple[Judged, ...]:
    """The tests of a source of `unittest` classes in pieces, all judged outside; empty where that cannot be."""
    pieces: list[Judged] = []
    try:
        for node in _parse(source):
            if isinstance(node, ast.ClassDef) and is_test_case(node):
                pieces += _of_class(node)
            elif isinstance(node, ast.ClassDef | ast.If | ast.Try | ast.With | ast.For) or _asserts(node):
                return ()
            else:
                pieces.append(Judged("exec", ast.unparse(node)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(pieces) if any(piece.kind not in ("exec", "scope") for piece in pieces) else ()
