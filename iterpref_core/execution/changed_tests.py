"""Changed tests: a program that also passes its tests with other expectations has not passed its tests.

A test that is judged inside the sandbox shares an interpreter with the program, which may skip it, overrule it or read
it. So a program that passes is given the same test with an assertion changed that it has met: `== 4` becomes `== 7`,
`assertTrue(c)` becomes `assertTrue(not (c))`. An honest program fails now. The changed test is a job like any other:
nothing in it tells a program which of the two it is running.

Only assertions that are certain to be reached are changed: statements of a test itself, of its `for` and `with` blocks,
and of functions that a script calls; not those of `try`, `if` and nested functions, nor where failing is asked for.
"""

import ast
import copy
import math
import re
from collections.abc import Iterator, Sequence
from random import Random

from iterpref_core.execution.rewriting import COMPARING_METHODS, Step, is_test_case, literal
from iterpref_core.execution.steps import INSIDE
from iterpref_core.source_code.syntax_tree import parse

_OPPOSITE = {
    "assertIs": "assertIsNot", "assertIsNone": "assertIsNotNone",
    "assertIsInstance": "assertNotIsInstance", "assertRegex": "assertNotRegex", "assertTrue": "assertFalse",
    "assertNotEqual": "assertEqual", "assertNotIn": "assertIn",
}  # fmt: skip
_OPPOSITE |= {value: key for key, value in _OPPOSITE.items()}
_CLOSE = ("assertAlmostEqual", "isclose", "allclose")
_EQUAL = ("assertCountEqual", *_CLOSE, *(name for name, how in COMPARING_METHODS.items() if how is ast.Eq))
_NEVER_SECOND = ("assertGreater", "assertGreaterEqual", "assertLess", "assertLessEqual")
_LIBRARY_EQUAL = re.compile(r"assert_(allclose|(array_)?(almost_)?equal|(frame|series|index)_equal)")
_UNLIKELY = ast.Name("BufferError", ast.Load())
_FAR = 10**6
"""How many times further off a number is that is compared with a tolerance."""


MustFail = dict[int, frozenset[str]]
"""By the number of a changed step, `Class.method` of its tests that were changed; empty where the step is one."""


def changed(steps: Sequence[Step], seed: str) -> tuple[list[Step], MustFail]:
    """Steps with other expectations, where they are judged inside, and which of them an honest program fails.

    Two tests are changed at least, if only by changing one twice: a coin would have to fall the right way three times.

    Args:
        steps: of a program's tests.
        seed: decides which assertions are changed, and into what.
    """
    random = Random(seed)
    different: list[Step] = []
    must_fail: MustFail = {}
    for step in [*steps, *steps]:
        if len(different) >= len(steps) and sum(max(1, len(names)) for names in must_fail.values()) != 1:
            break
        changed_step = _changed_step(step, random) if step.kind in INSIDE else None
        if changed_step:
            must_fail[len(different)] = changed_step[1]
        different.append(changed_step[0] if changed_step else step)
    return different, must_fail


def _changed_step(step: Step, random: Random) -> tuple[Step, frozenset[str]] | None:
    try:
        tree = parse(step.source)
        names = _change_module(tree, random, whole=step.kind != "check")
        source = ast.unparse(ast.fix_missing_locations(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if names is None:
        return None
    if step.kind == "script":
        files = {**step.body["files"], step.body["run"]: source}
        return step._replace(body={**step.body, "files": files}, shown=None), names
    return step._replace(body=source), names


def _change_module(tree: ast.Module, random: Random, *, whole: bool) -> frozenset[str] | None:
    """Change an assertion of every method, or else one of the statements; None if there is none."""
    names = set()
    for node in tree.body if whole else ():
        if isinstance(node, ast.ClassDef) and is_test_case(node):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name.startswith("test"):
                    plain = not method.decorator_list and "skip" not in ast.unparse(method)
                    if plain and _change_one(method.body, random):
                        names.add(f"{node.name}.{method.name}")
    if names:
        return frozenset(names)
    bodies = [tree.body, *_called_functions(tree)]
    random.shuffle(bodies)
    return frozenset() if any(_change_one(body, random) for body in bodies) else None


def _called_functions(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """Bodies of the functions that statements outside of functions call."""
    called = set()
    for node in tree.body:
        for statement in node.body if isinstance(node, ast.If) and _is_main(node) else [node]:
            for part in ast.walk(statement) if isinstance(statement, ast.Expr | ast.Assign) else ():
                if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                    called.add(part.func.id)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in called and not node.decorator_list:
            yield node.body


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _change_one(body: list[ast.stmt], random: Random) -> bool:
    """Change one assertion among those that are certain to be reached, in place; False if there is none."""
    places = list(_places(body))
    random.shuffle(places)
    for statements, number in places:
        if (changed := _falsified(statements[number], random)) is not None:
            statements[number] = changed
            return True
    return False


def _places(body: list[ast.stmt]) -> Iterator[tuple[list[ast.stmt], int]]:
    for number, node in enumerate(body):
        if isinstance(node, ast.Return | ast.Raise | ast.Break | ast.Continue):
            return
        yield body, number
        if isinstance(node, ast.For | ast.With) or _is_main(node):
            yield from () if _expects_an_error(node) else _places(node.body)  # type: ignore[attr-defined]


def _expects_an_error(node: ast.stmt) -> bool:
    return isinstance(node, ast.With) and "raises(" in "".join(map(ast.unparse, node.items)).lower()


def _falsified(node: ast.stmt, random: Random) -> ast.stmt | None:
    """The assertion with another expectation; None if it is none."""
    node = copy.deepcopy(node)
    match node:
        case ast.With(items=[ast.withitem(ast.Call(args=[_, *_] as args)), *_]) if _expects_an_error(node):
            args[0] = _UNLIKELY
        case ast.Assert():
            node.test = _other_condition(node.test, random)
        case ast.Expr(ast.Call(func=ast.Attribute() | ast.Name(), args=[_, *_]) as call) if _change_call(call, random):
            pass
        case _:
            return None
    return node


def _change_call(call: ast.Call, random: Random) -> bool:
    """Change what a method or function that asserts something asks for, in place; False if it is none."""
    function, args = call.func, call.args
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    name = name.replace("Equals", "Equal")
    if name in _EQUAL and len(args) >= 2:
        _other_side(args, random, _FAR if name in _CLOSE else 1)
    elif (name in _NEVER_SECOND or _LIBRARY_EQUAL.fullmatch(name)) and len(args) >= 2:
        args[1] = _never(args[1])
    elif name == "assertIn":
        args[0] = _never(args[0])
    elif name == "assertRaises":
        args[0] = _UNLIKELY
    elif name == "assertTrue" and isinstance(args[0], ast.Compare):
        args[0] = _other_condition(args[0], random)
    elif name in _OPPOSITE and isinstance(function, ast.Attribute):
        function.attr = _OPPOSITE[name]
    else:
        return False
    return True


def _other_condition(node: ast.expr, random: Random) -> ast.expr:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            place = random.randrange(len(values))
            values[place] = _other_condition(values[place], random)
            return node
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            sides = [left, right]
            _other_side(sides, random)
            node.left, node.comparators = sides[0], sides[1:]
            return node
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE() | ast.In() as how]):
            if not isinstance(how, ast.In) and any(isinstance(part, ast.Call) for part in ast.walk(left)):
                node.comparators = [_never(node.comparators[0])]
            else:
                node.left = _never(left)
            return node
        case ast.Call(args=[_, _, *_]) if ast.unparse(node.func).rpartition(".")[2] in _CLOSE:
            _other_side(node.args, random, _FAR)
            return node
    return ast.UnaryOp(ast.Not(), node)


def _never(node: ast.expr) -> ast.expr:
    """An expression for what no value that was right can be compared with, or be in."""
    return ast.Tuple([node, ast.Constant(None)], ast.Load())


def _other_side(sides: list[ast.expr], random: Random, far: int = 1) -> None:
    """Another literal for the one of two sides that is one; where none is, what the second is not."""
    for place in (1, 0):
        try:
            sides[place] = _other_literal(sides[place], literal(sides[place]), random, far)
        except ValueError:
            continue
        return
    step = far * random.randint(2, 9)
    if not any(isinstance(part, ast.Call | ast.Name | ast.Attribute) for part in ast.walk(sides[1])):
        sides[1] = ast.BinOp(sides[1], ast.Add(), ast.Constant(step))
        return
    unequal = f"(lambda v: v + {step} if isinstance(v, (int, float, complex)) else type(v)([*v, {step}]))"
    sides[1] = ast.Call(parse(unequal, "eval").body, [sides[1]], [])


def _other_literal(node: ast.expr, value: object, random: Random, far: int) -> ast.expr:
    """A literal of the same type with another value: one constant in it is another, by a few times `far`."""
    step = far * random.randint(2, 9)
    constants = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
    if not constants or (isinstance(value, float) and not math.isfinite(value)):
        items: dict[type, object] = {list: [step], tuple: (step,), set: {step}, dict: {step: step}}
        return parse(repr(items.get(type(value), 1.0)), "eval").body  # type: ignore[no-any-return]
    constant = random.choice(constants)
    match constant.value:
        case bool():
            constant.value = not constant.value
        case int() | float() | complex() as number:
            size = 1 if isinstance(number, int) and far == 1 else max(1, abs(number))
            constant.value = number + step * size
        case str():
            constant.value += random.choice("aeinrst")
        case bytes():
            constant.value += b"a"
        case _:
            constant.value = step
    return node
