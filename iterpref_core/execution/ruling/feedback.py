"""Feedback texts that tell a debugger of the fault: short, stable, one line where possible, always valid UTF-8."""

import ast
from typing import Any

from iterpref_core.execution.protocol.value_texts import clean, shorten
from iterpref_core.programs.source_code.lines import whole_lines
from iterpref_core.programs.source_code.syntax_tree import parse

MAX_FEEDBACK = 600
_MAX_CALL = 160
_MAX_VALUE = 120
_MAX_MESSAGE = 200
_MAX_LINE = 100
_MAX_PRINTED = 120


def call_text(source: str) -> str:
    """Return a test's call, on one line."""
    return clean(source, _MAX_CALL)


def _expected(source: str | None) -> str:
    """Return the expected value as text, unless only the benchmark's own comparator knows it."""
    return "" if source is None else f", expected {clean(source, _MAX_VALUE)}"


def wrong_value(call: str, actual: str, expected: str | None) -> str:
    """Return `f([1, 2]) returned 4, expected 3`."""
    return f"{call_text(call)} returned {clean(actual, _MAX_VALUE)}{_expected(expected)}"


def wrong_output(program: str, printed: str, expected: str) -> str:
    """Return `the program, given '1 2', printed '4', expected '3'`."""
    shown = repr(shorten(printed, 2 * _MAX_VALUE))
    wanted = repr(shorten(expected, 2 * _MAX_VALUE))
    return f"{call_text(program)} printed {clean(shown, _MAX_VALUE)}{_expected(wanted)}"


def wrong_type(call: str, kind: str, expected: str | None) -> str:
    """Return the feedback for a value that cannot leave the sandbox, such as a generator."""
    return f"{call_text(call)} returned an object of type {clean(kind, 60)}{_expected(expected)}"


def error_text(facts: dict[str, Any], code: str) -> str:
    """Return `TypeError: message, line 3: return a + b`; the line is the innermost one of the program itself."""
    message = clean(str(facts["message"]), _MAX_MESSAGE)
    text = clean(str(facts["type"]), 60)
    if message:
        text += f": {message}"
    line = facts["line"]
    lines = whole_lines(code)
    if isinstance(line, int) and 1 <= line <= len(lines):
        statement = lines[line - 1].rstrip("\r\n")
        text += f", line {line}: {clean(statement, _MAX_LINE)}"
    return text


def failed_check(source: str, facts: dict[str, Any]) -> str:
    """Return the feedback on an assertion that failed in the program's process: the statement and its message.

    Args:
        source: of the test.
        facts: of the error; `test_line` is that of the statement.
    """
    statement = _statement_at(source, facts["test_line"])
    shown = source if statement is None else _source_of(statement, source).partition("\n")[0]
    text = f"{clean(shown, _MAX_CALL)} failed"
    message = clean(str(facts["message"]), _MAX_MESSAGE)
    return f"{text}: {message}" if message else text


def _statement_at(source: str, line: Any) -> ast.stmt | None:
    """Return the innermost statement at a line."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(line, int):
        return None
    # Breadth first: of a loop and the assertion in it, the assertion comes later.
    found = None
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            found = node
    return found


def _source_of(node: ast.expr | ast.stmt, source: str) -> str:
    """Return the source of a part of a test, in one form; as it stands where Python cannot write a number in it."""
    try:
        return ast.unparse(node)
    except ValueError:  # `0xfff...` with more digits than a decimal number may have
        return ast.get_source_segment(source, node) or ""


def with_printed(text: str, printed: str) -> str:
    """Return the text and, on a line of its own, the beginning of the program's output, if there is any."""
    output = printed.strip()
    if output:
        text += "\nprinted: " + clean(output.replace("\n", "\\n"), _MAX_PRINTED)
    return shorten(text, MAX_FEEDBACK)
