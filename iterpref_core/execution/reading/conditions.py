"""Conditions: an assertion, taken apart into a value that the program computes and a comparison that nobody else sees.

    assert sorted(f(3)) == [1, 2]      the program   sorted(f(3))
                                       the supervisor   value == [1, 2]

A program could lie where a comparison runs in its process: an object may equal anything. So the program's part of an
assertion must have no part in the comparison. It is a call of the solution, perhaps in `len`, `sorted` and the like.
"""

import ast
import builtins
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from iterpref_core.execution.reading.literals import is_literal, literal
from iterpref_core.execution.reading.names import InsideError, Names, Origin, loaded

Compute = Callable[[Any], Any]
"""A function of the value that the program has computed."""
_BUILTINS = """
    abs bytes dict float frozenset int len list max min repr round set sorted str sum tuple
"""
_OF_A_VALUE = frozenset(_BUILTINS.split())
"""Builtins that the program may apply: none of them knows the expected value."""
_OF_TEXTS = {"eval", "exec", "compile", "__import__"}
"""Builtins that run a text, which may compare anything."""
_TYPES = {"int", "float", "complex", "bool", "str", "bytes", "list", "tuple", "dict", "set", "frozenset"}
_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
MAX_DIGITS = 20
"""`round(x, -10**9)` would compute a power of ten that fills the memory."""


class Condition(NamedTuple):
    """An assertion, taken apart.

    Attributes:
        value: the expression whose value the program computes.
        holds: tells whether that value is right.
        expected: the right value, or the whole condition, for people.
        exact: the value must be of exactly a plain type: the condition asks for its type or identity.
        builtins: names that mean Python's own functions and types here, even if the program binds them anew.
    """

    value: ast.expr
    holds: Compute
    expected: str
    exact: bool
    builtins: frozenset[str] = frozenset()


class ConditionReader:
    """A reader of one assertion.

    Args:
        names: of the test.

    Attributes:
        value: the expression that the program computes, once it is found.
        sides: of the last comparison that was read.
        exact: see `Condition`.
        builtins: see `Condition`.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self.value: ast.expr | None = None
        self._value_source = ""
        self.sides: list[Compute] = []
        self.exact = False
        self.builtins: set[str] = set()

    def read(self, node: ast.expr) -> Condition:
        """Return an assertion taken apart.

        Raises:
            InsideError: it is none that the supervisor can decide.
        """
        holds = self.condition(node, always=True)
        if self.value is None:
            raise InsideError("an assertion without a call")
        return Condition(self.value, holds, _expected(node), self.exact, frozenset(self.builtins))

    def condition(self, node: ast.expr, *, always: bool) -> Compute:
        """Return how a condition is decided.

        Args:
            node: the condition.
            always: Python evaluates it in any case.
        """
        match node:
            case ast.UnaryOp(ast.Not(), operand):
                inner = self.condition(operand, always=always)
                return lambda value: not inner(value)
            case ast.BoolOp(op, [first, *others]):
                # `xs and f(xs) == 3`: the call may be left out, and then the program must not run it.
                parts = [self.condition(first, always=always)]
                parts += [self.condition(each, always=False) for each in others]
                if isinstance(op, ast.And):
                    return lambda value: all(part(value) for part in parts)
                return lambda value: any(part(value) for part in parts)
            case ast.Compare():
                return self._comparison(node, always)
            case ast.Call(func=ast.Name("isinstance"), args=[tested, kinds], keywords=[]):
                # A `Counter` arrives out here as a dict, whose type is another one.
                self.exact = True
                self.builtins.add("isinstance")
                compute = self._value(tested, always=always, decides=False)
                wanted = self._types(kinds)
                return lambda value: isinstance(compute(value), wanted)
            case ast.Call() if self._names.path(node.func) == "math.isclose":
                return self._near(node, always)
        return self._value(node, always=always, decides=True)

    def _comparison(self, node: ast.Compare, always: bool) -> Compute:
        sides = [node.left, *node.comparators]
        if any(isinstance(each, ast.Is | ast.IsNot) for each in node.ops):
            self.exact = True
            # `x = "ab"; assert f(x) is x`: a value that has left the process is another object.
            if any(self._states(side) and not _is_one_object(side) for side in sides):
                raise InsideError("the identity of a value")
        # `same(f(2), 4) == True` has all that the program needs to lie; `f(2) == 4` has not.
        states_truth = any(isinstance(side, ast.Constant) and isinstance(side.value, bool) for side in sides)
        if all(self._states(side) for side in sides):
            # `xs = [3, 1]; f(xs); assert xs == [1, 3]`: of two stated sides, the program may have changed a name's.
            named = [side for side in sides if isinstance(side, ast.Name)]
            if named and self.value is None:
                self._value(named[0], always=True, decides=False)
        # Of `a < b < c` Python evaluates `c` only if `a < b`.
        terms = [self.term(side, always=always and index < 2, decides=states_truth) for index, side in enumerate(sides)]
        self.sides = terms
        operators = [_OPERATORS[type(each)] for each in node.ops]

        def holds(value: Any) -> bool:
            values = [term(value) for term in terms]
            pairs = zip(operators, values, values[1:], strict=False)
            return all(compare(left, right) for compare, left, right in pairs)

        return holds

    def term(self, node: ast.expr, *, always: bool, decides: bool) -> Compute:
        """Return one side of a comparison.

        Args:
            node: the side.
            always: see `condition`.
            decides: the program's part is a truth value, which it must not compute from anything but its own.
        """
        match node:
            case ast.Name(name) if name in _TYPES and name not in self._names.bound:
                kind = getattr(builtins, name)
                self.builtins.add(name)
                return lambda _: kind
            case ast.Call(func=ast.Name("type"), args=[inner], keywords=[]):
                self.exact = True
                self.builtins.add("type")
                compute = self._value(inner, always=always, decides=False)
                return lambda value: type(compute(value))
            case ast.Call(func=ast.Name("abs"), args=[ast.BinOp(left, ast.Sub(), right)], keywords=[]):
                # `abs(f(2) - 4) < 1e-6`: the difference is computed out here.
                self.builtins.add("abs")
                one = self.term(left, always=always, decides=decides)
                other = self.term(right, always=always, decides=decides)
                return lambda value: abs(one(value) - other(value))
            case ast.Call() if self._names.path(node.func) == "pytest.approx":
                return self._approx(node)
        if self._states(node):
            constant = self._stated(node)
            return lambda _: constant
        return self._value(node, always=always, decides=decides)

    def _states(self, node: ast.expr) -> bool:
        """Tell whether an expression is stated by the test: a literal, or a name of one."""
        if isinstance(node, ast.Name) and node.id in self._names.bound:
            return self._names.of(node.id).origin is Origin.LITERAL and not self._is_the_value(node)
        return self._names.is_stated(node)

    def _stated(self, node: ast.expr) -> Any:
        """Return the value that an expression states, for a comparison."""
        if isinstance(node, ast.Name) and node.id in self._names.bound:
            found = self._names.expect(node.id)
            self.builtins |= found.makers
            return found.value
        self.builtins |= loaded(node)  # `list((1, 2))`
        return literal(node)

    def _is_the_value(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self._value_source

    def _value(self, node: ast.expr, *, always: bool, decides: bool) -> Compute:
        """Take an expression for the one that the program computes."""
        if self._is_the_value(node):
            return _itself  # `0 < y and y < 9` asks for y once
        if self.value is not None:
            raise InsideError("two calls in an assertion")
        if not always:
            raise InsideError("a call that may be left out")
        is_direct = self.directness(node)
        if decides and not is_direct:
            raise InsideError("a truth value that the test computes")
        self.value = node
        self._value_source = node.id if isinstance(node, ast.Name) else ""
        return _itself

    def directness(self, node: ast.expr) -> bool:
        """Tell whether an expression is a value of the solution as such, rather than one made of such a value.

        Raises:
            InsideError: it is neither.
        """
        match node:
            case ast.Name(name) if self._names.of(name).origin not in (Origin.LIBRARY, Origin.MADE):
                return True
            case ast.Call(func=function, args=args, keywords=keywords) if self._names.is_theirs(function):
                self._names.check_runs(node)
                # `same(f(2), 4)` may be a comparison.
                return not self._names.are_theirs([*args, *keywords])
            case ast.Call(func=ast.Name(name), args=[inner, *digits], keywords=[]) if name not in self._names.bound:
                if name not in _OF_TEXTS and is_literal(inner) and all(map(is_literal, digits)):
                    return False  # a task may have a builtin's name
                is_short = not digits or (name == "round" and all(_is_short(each) for each in digits))
                if name in _OF_A_VALUE and is_short:
                    self.directness(inner)
                    return False
            case ast.Call(func=ast.Attribute(value=owner), args=[], keywords=[]):
                self.directness(owner)  # `f("a").upper()`: a method that is told nothing
                return False
            case ast.Attribute(value=owner):
                return self.directness(owner) and isinstance(owner, ast.Name | ast.Attribute)
            case ast.Subscript(value=owner, slice=index) if is_literal(index):
                self.directness(owner)  # `f(3)[0]`
                return False
        raise InsideError(f"the form {type(node).__name__}")

    def _types(self, node: ast.expr) -> tuple[type, ...]:
        nodes = node.elts if isinstance(node, ast.Tuple) else [node]
        kinds = []
        for each in nodes:
            if not isinstance(each, ast.Name) or each.id not in _TYPES or each.id in self._names.bound:
                raise InsideError("a type that is not plain")
            self.builtins.add(each.id)
            kinds.append(getattr(builtins, each.id))
        return tuple(kinds)

    def _settings(self, keywords: list[ast.keyword]) -> dict[str, Any]:
        settings = {}
        for keyword in keywords:
            if keyword.arg is None or not self._states(keyword.value):
                raise InsideError("an option that is no literal")
            settings[keyword.arg] = self._stated(keyword.value)
        return settings

    def _near(self, node: ast.Call, always: bool) -> Compute:
        if len(node.args) != 2:
            raise InsideError("a comparison of other than two numbers")
        if loaded(node.func) & self._names.of_setup:
            raise InsideError("a name of the setup, which the program may bind anew")
        one, other = (self.term(argument, always=always, decides=False) for argument in node.args)
        settings = self._settings(node.keywords)
        return lambda value: math.isclose(one(value), other(value), **settings)

    def _approx(self, node: ast.Call) -> Compute:
        if len(node.args) != 1 or not self._states(node.args[0]):
            raise InsideError("approx of no literal")
        settings = self._settings(node.keywords)
        try:
            import pytest
        except ImportError:
            raise InsideError("pytest.approx, without pytest") from None
        stated = self._stated(node.args[0])
        # Made where it is compared: `approx([[1.0]])` raises an error in the test.
        return lambda _: pytest.approx(stated, **settings)


def _is_short(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value <= MAX_DIGITS


def _is_one_object(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and any(node.value is each for each in (None, True, False, ...))


def _itself(value: Any) -> Any:
    return value


def _expected(node: ast.expr) -> str:
    """Return the expected value as source: the other side of `==`, or the whole condition."""
    match node:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            return ast.unparse(left if _is_stated(left) and not _is_stated(right) else right)
    return ast.unparse(node)


def _is_stated(node: ast.expr) -> bool:
    return not any(isinstance(part, ast.Call | ast.Name) for part in ast.walk(node))
