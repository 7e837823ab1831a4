"""Job steps made of tests. What is expected stays here; only what is to be run goes into the sandbox."""

import ast
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from iterpref_core.errors import RecordError
from iterpref_core.execution.feedback import shorten
from iterpref_core.execution.programs import Program, StdinTest, ValueTest
from iterpref_core.execution.sandbox.encoding import summarize
from iterpref_core.records import AssertTest, IoTest, ScriptTest, Test, UnittestTest

StepKind = Literal["call", "lenient", "apply", "stdin", "check", "unittest", "script"]
RETURNING = frozenset({"call", "lenient", "apply", "stdin"})
"""Kinds of steps whose value leaves the sandbox, to be judged outside."""


@dataclass(frozen=True)
class Expected:
    """A value to be returned, its canonical text (or digest), and its source as the problem wrote it."""

    value: Any
    text: str
    source: str


class Step(NamedTuple):
    """One thing the sandbox does and reports on.

    Attributes:
        test: index of the test it belongs to.
        kind: `call` and `lenient` return a value (compared by exact types, and by `==`), `apply` returns one for the
            judge, `stdin` what the program prints, also for the judge; the others only pass or fail.
        body: an expression, statements, a text to be read, a unittest source, a script test as a mapping, or, for
            `apply`, the function, the encoded arguments and the function of the result; for `stdin` the text, and
            whether it is run as the official runner does.
        expected: the value, for `call` and `lenient`.
        atol: how far a `lenient` value may be off, on top of 1e-7 of it; 0 for not at all.
        shown: makes the call as source, for `apply` and `stdin`.
    """

    test: int
    kind: StepKind
    body: Any
    expected: Expected | None = None
    atol: float = 0.0
    shown: Callable[[], str] | None = None

    @property
    def source(self) -> str:
        """What is run, as Python source."""
        if self.shown is not None:
            return self.shown()
        return str(self.body["files"][self.body["run"]] if self.kind == "script" else self.body)


_SPECIAL = {"nan": float("nan"), "inf": float("inf")}


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
    return ast.literal_eval(_Specials().visit(node))


def parse_literal(source: str) -> Any:
    """The value of a Python literal; `nan`, `inf`, `float("inf")`, `set()` and `frozenset({...})` are literals too.

    Raises:
        ValueError: it is not one.
    """
    try:
        return _literal(ast.parse(source.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ValueError(f"not a Python literal: {source[:80]!r}") from None


@functools.lru_cache(maxsize=4096)
def expect(source: str) -> Expected:
    """What a test expects, parsed.

    Raises:
        ValueError: the source is not a literal.
    """
    value = parse_literal(source)
    return Expected(value, summarize(value), source.strip())


def _as_call(statement: ast.stmt, source: str) -> tuple[StepKind, str, Expected] | None:
    """`assert f(x) == literal` (or the other way round, or `is None/True/False`) as a call and what it must return."""
    match statement:
        case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq() | ast.Is() as op], comparators=[right])):
            sides = [(left, right), (right, left)] if isinstance(op, ast.Eq) else [(left, right)]
        case _:
            return None
    for call, literal in sides:
        if not isinstance(call, ast.Call | ast.Subscript | ast.Attribute):
            continue
        try:
            expected = expect(ast.get_source_segment(source, literal) or "")
        except ValueError:
            continue
        if isinstance(op, ast.Is) and not (expected.value is None or isinstance(expected.value, bool)):
            return None
        kind: StepKind = "lenient" if isinstance(op, ast.Eq) else "call"
        return kind, ast.get_source_segment(source, call) or "", expected
    return None


@functools.lru_cache(maxsize=4096)
def rewrite_assert(source: str) -> tuple[tuple[StepKind, str, Expected], ...] | None:
    """Statements that are all `assert f(x) == literal` as calls and what they must return; None if any is not."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    calls = [_as_call(statement, source) for statement in statements]
    found = tuple(call for call in calls if call is not None)
    return found if found and len(found) == len(calls) else None


def _steps_of(index: int, test: Test | ValueTest | StdinTest, judged: bool) -> list[Step]:  # noqa: PLR0911 - one a kind
    if isinstance(test, ValueTest):
        return [Step(index, "apply", (test.function, test.encoded, test.then), shown=lambda: test.call)]
    if isinstance(test, StdinTest):
        body = [test.stdin, test.official]
        return [Step(index, "stdin", body, shown=lambda: f"the program, given {shorten(test.stdin, 80)!r},")]
    if isinstance(test, IoTest):
        kind: StepKind = "lenient" if judged or test.atol is not None else "call"
        try:
            expected = None if judged else expect(test.expected)
        except ValueError as error:
            raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as Python does") from None
        return [Step(index, kind, test.call, expected, test.atol or 0.0)]
    if isinstance(test, AssertTest):
        calls = rewrite_assert(test.code)
        if calls is None:
            return [Step(index, "check", test.code)]
        return [Step(index, how, call, expected) for how, call, expected in calls]
    if isinstance(test, UnittestTest):
        return [Step(index, "unittest", test.code)]
    assert isinstance(test, ScriptTest)
    return [Step(index, "script", test.model_dump(exclude={"kind", "environment"}))]


def steps_of(program: Program) -> tuple[Step, ...]:
    """The steps of a program's tests, in order.

    Raises:
        RecordError: the expected value of an `io` test is not a literal.
    """
    judged = program.judge is not None
    return tuple(step for index, test in enumerate(program.tests) for step in _steps_of(index, test, judged))


def job(program: Program, steps: Sequence[Step], *, control: bool = False) -> bytes:
    """What is sent into the sandbox: everything but the expected values; `control` if failing is expected."""
    setup, code, measure = program.setup, program.code, None
    if program.measure and not control:
        # One text for all kinds of tests, so that a line has one number.
        measure = program.preamble.count("\n")
        setup, code = "", program.preamble + code
    message = {
        "control": control,
        "measure": measure,
        "setup": setup,
        "code": code,
        "steps": [(step.kind, step.body) for step in steps],
    }
    return json.dumps(message).encode()
