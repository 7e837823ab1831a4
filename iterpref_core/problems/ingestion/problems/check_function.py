"""Check functions: tests as HumanEval publishes them, `def check(candidate)` with assertions about `candidate`.

If the function has nothing but assertions, each becomes a test of its own, with the called expression in the place of
the parameter. So feedback names one call, and tests can be chosen and hidden:

    def check(candidate):                       assert add(1, 2) == 3
        assert candidate(1, 2) == 3      ->
        assert candidate(0, 0) == 0             assert add(0, 0) == 0

Anything else, such as a loop, stays whole.
"""

import ast
import builtins
import re
from collections.abc import Iterator

from iterpref_core.programs.source_code.syntax_tree import parse, parse_source
from iterpref_core.records import AssertTest, PytestTest, UnittestTest


def tests_of_check(source: str, call: str) -> tuple[AssertTest, ...]:
    r"""Return the tests of a check function.

    Args:
        source: defines `check`, and may call it.
        call: expression for the tested function, such as `add` or `Solution().add`.

    Raises:
        ValueError: the source defines no such function, or it or the call is not Python.

    >>> [test.code for test in tests_of_check("def check(f):\n    assert f(1) == 2\n    assert f(0) == 1", "inc")]
    ['assert inc(1) == 2', 'assert inc(0) == 1']
    """
    try:
        body = parse_source(source).body
        names = {node.id for node in ast.walk(parse(call, mode="eval")) if isinstance(node, ast.Name)}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"the function `check`, or the called name {call!r}, is not valid Python ({error})") from None
    rest = [node for node in body if not _calls_check(node)]
    check = next((node for node in rest if isinstance(node, ast.FunctionDef) and node.name == "check"), None)
    if check is None or not check.args.args:
        raise ValueError("field 'test': a function `check(candidate)` is expected")
    statements = [node for node in check.body if not _does_nothing(node)]
    # Code beside `check`, such as a helper that its assertions use, keeps the function whole. METADATA is no such code.
    beside = [node for node in rest if node is not check and not _is_metadata(node)]
    parameter = check.args.args[0].arg
    # `all(candidate(f) for f in inputs)` with `f` in the place of `candidate` would call its own loop variable.
    bound = {name for statement in statements for name in _bound(statement)}
    if beside or bound & {*names, parameter} or not all(isinstance(node, ast.Assert) for node in statements):
        whole = ast.unparse(ast.Module(rest, []))
        return (AssertTest(code=f"{whole}\n\ncheck({call})\n"),)
    candidate = _Candidate(parameter, call)
    return tuple(AssertTest(code=ast.unparse(candidate.visit(node))) for node in statements)


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement gives a value."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


class _Candidate(ast.NodeTransformer):
    """A transformer that puts an expression in the place of a parameter."""

    def __init__(self, parameter: str, call: str) -> None:
        self._parameter = parameter
        self._call = call

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self._parameter:
            return node
        expression: ast.expr = parse(self._call, mode="eval").body
        return expression


def _calls_check(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "check"
    )


def _does_nothing(node: ast.stmt) -> bool:
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass) or is_docstring


def _is_metadata(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and all(
        isinstance(target, ast.Name) and target.id == "METADATA" for target in node.targets
    )


def tested_name(test: AssertTest | UnittestTest | PytestTest, program: str) -> str:
    """Return the function of a program that a test calls first, or imports from the solution.

    Raises:
        ValueError: an assertion calls no function by name.

    >>> test = AssertTest(code="assert set(similar((3, 4), (5, 4))) == {4}")
    >>> tested_name(test, "def similar(a, b): ...")
    'similar'
    """
    tree = parse_source(test.code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "solution":
            return node.names[0].name
    # A set-up may call something else before.
    parts: list[ast.AST] = [node for node in tree.body if isinstance(node, ast.Assert)]
    parts = parts or [tree]
    calls = [node for part in parts for node in ast.walk(part) if isinstance(node, ast.Call)]
    names = [node.func.id for node in calls if isinstance(node.func, ast.Name)]
    defined = set(re.findall(r"^(?:def|class)\s+(\w+)", program, re.MULTILINE))
    # Of `assert set(similar((3, 4))) == {4}`, `set` is passed over: a built-in that the program does not define.
    candidates = [name for name in names if name in defined or not hasattr(builtins, name)]
    if not candidates and isinstance(test, AssertTest):
        raise ValueError(
            f"the test {test.code.strip()!r} calls no function by name; name it with --columns entry_point="
        )
    return candidates[0] if candidates else ""
