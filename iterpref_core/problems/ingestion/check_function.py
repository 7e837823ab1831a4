"""Check functions: tests as HumanEval publishes them, `def check(candidate)` with assertions about `candidate`.

If the function has nothing but assertions, each becomes a test of its own, with the called expression in the place of
the parameter. So feedback names one call, and tests can be chosen and hidden:

    def check(candidate):                       assert add(1, 2) == 3
        assert candidate(1, 2) == 3      ->
        assert candidate(0, 0) == 0             assert add(0, 0) == 0

Anything else, such as a loop, stays whole.
"""

import ast
from collections.abc import Sequence

from iterpref_core.programs.source_code.syntax_tree import parse, parse_source
from iterpref_core.records import AssertTest


def tests_of_check(source: str, call: str) -> tuple[AssertTest, ...]:
    r"""Return the tests of a check function.

    Args:
        source: Python that defines `check`, and may call it.
        call: expression for the tested function, such as `add` or `Solution().add`.

    Raises:
        ValueError: `check` has no parameter, or the call is not Python.

    >>> [test.code for test in tests_of_check("def check(f):\n    assert f(1) == 2\n    assert f(0) == 1", "inc")]
    ['assert inc(1) == 2', 'assert inc(0) == 1']
    """
    try:
        called = parse(call, mode="eval").body
    except (SyntaxError, ValueError):
        raise ValueError(f"the called name {call!r} is not valid Python") from None
    # A call `check(add)` behind the function would test twice.
    body = [node for node in parse_source(source).body if not isinstance(node, ast.Expr)]
    check = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == "check")
    if not check.args.args:
        raise ValueError("a function `check(candidate)` is expected")
    parameter, *others = [argument.arg for argument in check.args.args]
    statements = [node for node in check.body if not isinstance(node, ast.Pass | ast.Expr)]
    # HumanEval has its METADATA beside `check`, which no assertion uses; other code there may be a helper of theirs.
    beside = [node for node in body if node is not check]
    read, bound = _names(statements)
    # `all(candidate(f) for f in inputs)` with `f` in the place of `candidate` would call its own loop variable.
    clash = bound & {parameter, *_names([called])[0]} or read & {*others, *_names(beside)[1]}
    simple = _all(ast.Assert, statements) and _all(ast.Assign, beside)
    if clash or not simple:
        whole = ast.unparse(ast.Module(body, []))
        return (AssertTest(code=f"{whole}\n\ncheck({call})\n"),)
    candidate = _Candidate(parameter, called)
    return tuple(AssertTest(code=ast.unparse(candidate.visit(node))) for node in statements)


def _all(kind: type[ast.stmt], statements: Sequence[ast.stmt]) -> bool:
    return all(isinstance(node, kind) for node in statements)


def _names(nodes: Sequence[ast.AST]) -> tuple[set[str], set[str]]:
    """Return the names in code, and those of these that it gives a value."""
    every = [inner for node in nodes for inner in ast.walk(node)]
    names = [node for node in every if isinstance(node, ast.Name)]
    arguments = {node.arg for node in every if isinstance(node, ast.arg)}
    return {node.id for node in names}, arguments | {node.id for node in names if isinstance(node.ctx, ast.Store)}


class _Candidate(ast.NodeTransformer):
    """A transformer that puts an expression in the place of a parameter."""

    def __init__(self, parameter: str, called: ast.expr) -> None:
        self._parameter = parameter
        self._called = called

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._called if node.id == self._parameter else node
