"""Rewrite assertions so that they keep the values that they compare, for the feedback if they fail.

>>> with_kept_operands("assert f(x) == want, 'no'")
"assert (_left_value:=f(x)) == (_right_value:=want), 'no';del _left_value,_right_value"

The names become local variables of the frame in which the assertion fails. If it holds they go, so that no value lives
longer than in the test as it is written. Each expression is still evaluated once, and line numbers stay the same.
"""

import ast

from iterpref_core.programs.source_code.syntax_tree import parse_source

from ..protocol.steps import LEFT, RIGHT

_UNFIT = (ast.NamedExpr, ast.Yield, ast.YieldFrom)


def operands(statement: ast.stmt | None) -> dict[str, ast.expr]:
    """Return the expressions that an assertion compares, by the names that keep their values.

    Only expressions that are always evaluated: `a` and `b` of `a < b < c`, or of `a < b and c`. For
    `isinstance(f(x), int)` it is `f(x)`.
    """
    if not isinstance(statement, ast.Assert):
        return {}
    test = statement.test
    # `a and b`: only `a` is always evaluated.
    while isinstance(test, ast.BoolOp):
        test = test.values[0]
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    if isinstance(test, ast.Compare):
        found = {LEFT: test.left, RIGHT: test.comparators[0]}
    elif isinstance(test, ast.Call) and test.args and isinstance(test.args[0], ast.Call):
        found = {LEFT: test.args[0]}
    else:
        found = {LEFT: test}
    return {name: node for name, node in found.items() if not isinstance(node, _UNFIT)}


def with_kept_operands(source: str) -> str:
    """Return the source of a test whose assertions keep the values that they compare; invalid source is unchanged."""
    try:
        tree = parse_source(source)
    except SyntaxError:
        return source
    if "\r" in source:
        return source
    lines = source.removeprefix("\ufeff").encode("utf-8", "surrogatepass").split(b"\n")
    insertions = []
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.Assert):
            continue
        kept = operands(statement)
        for name, node in kept.items():
            # `f(x)` becomes `(_left_value:=f(x))`.
            insertions.append((node.lineno, node.col_offset, f"({name}:="))
            insertions.append((node.end_lineno or 0, node.end_col_offset or 0, ")"))
        if kept:
            insertions.append((statement.end_lineno or 0, statement.end_col_offset or 0, f";del {','.join(kept)}"))
    # From the end, so that the earlier offsets stay right.
    for line, column, text in sorted(insertions, reverse=True):
        whole = lines[line - 1]
        lines[line - 1] = whole[:column] + text.encode() + whole[column:]
    return b"\n".join(lines).decode("utf-8", "surrogatepass")
