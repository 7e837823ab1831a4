"""Split the test functions of HumanEval, `def check(candidate)` with assertions about `candidate`.

If the function has only assertions, each becomes a test of its own, with the called expression instead of the
parameter. So feedback names one call, and tests can be chosen and hidden:

    def check(candidate):                       assert add(1, 2) == 3
        assert candidate(1, 2) == 3      ->
        assert candidate(0, 0) == 0             assert add(0, 0) == 0

Anything else, such as a loop or a comprehension, stays whole.
"""

import ast
from collections.abc import Sequence

from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import AssertTest

_BINDING = ast.comprehension | ast.Lambda | ast.NamedExpr
"""The expressions that have names of their own."""


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
    # A call `check(add)` after the function would test twice.
    body = [node for node in parse_source(source).body if not isinstance(node, ast.Expr)]
    check = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == "check")
    if not check.args.args:
        raise ValueError("a function `check(candidate)` is expected")
    parameter = check.args.args[0].arg
    statements = [node for node in check.body if not isinstance(node, ast.Pass) and not _is_docstring(node)]
    every = [inner for node in statements for inner in ast.walk(node)]
    names = [node for node in every if isinstance(node, ast.Name)]
    # HumanEval has METADATA next to `check`, unused by assertions; other code there may be their helper.
    beside = [node for node in body if node is not check]
    helpers = {node.id for each in beside for node in ast.walk(each) if isinstance(node, ast.Name)}
    plain = _all(ast.Assert, statements) and _all(ast.Assign, beside) and len(check.args.args) == 1
    # `all(candidate(f) for f in inputs)` with `f` in the place of `candidate` would call its own loop variable.
    if not plain or any(isinstance(node, _BINDING) for node in every) or helpers & {node.id for node in names}:
        whole = ast.unparse(ast.Module(body, []))
        return (AssertTest(code=f"{whole}\n\ncheck({call})\n"),)
    for name in names:
        if name.id == parameter:
            # A name is written unchanged, so that it may be an expression.
            name.id = call
    return tuple(AssertTest(code=ast.unparse(node)) for node in statements)


def _all(kind: type[ast.stmt], statements: Sequence[ast.stmt]) -> bool:
    return all(isinstance(node, kind) for node in statements)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
