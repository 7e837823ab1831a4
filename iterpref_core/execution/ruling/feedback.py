"""Write short feedback for a debugger, the same each time, on one line if possible, always valid UTF-8."""

import ast
import re
from itertools import chain
from os.path import commonprefix
from typing import Any

from iterpref_core.programs.source_code.lines import whole_lines
from iterpref_core.programs.source_code.syntax_tree import parse_source

from ..codec.canonical import UnencodableError, decode, encode
from ..parsing.literals import value_of
from ..protocol.value_texts import clean, shorten, show
from .operands import operands

MAX_FEEDBACK = 600
_MAX_CALL = 160
_MAX_VALUE = 120
_MAX_MESSAGE = 200
_MAX_LINE = 100
_MAX_NAMED = 60
_MAX_PRINTED = 120
_MAX_COMPARED = 65_536


def call_text(source: str) -> str:
    """Return the call of a test on one line."""
    return clean(source, _MAX_CALL)


def _expected(source: str | None) -> str:
    """Return `, expected 3`; empty if only the benchmark's comparator knows the expected value."""
    return "" if source is None else f", expected {clean(source, _MAX_VALUE)}"


def wrong_value(call: str, actual: str, expected: str | None) -> str:
    """Return `f([1, 2]) returned 4, expected 3`; long texts are cut to the part where they first differ."""
    if expected is None:
        return f"{call_text(call)} returned {clean(actual, _MAX_VALUE)}"
    actual, expected, place = _apart(actual, _in_one_order(expected))
    return f"{call_text(call)} returned {actual}, expected {expected}{place}"


def _in_one_order(source: str) -> str:
    """Return a literal as returned values are shown, with the same order of items; any other source as it is."""
    try:
        return show(decode(encode(value_of(source))))
    except (ValueError, RecursionError, UnencodableError):
        return source


def _apart(actual: str, expected: str) -> tuple[str, str, str]:
    """Return two texts, cut if they are long to the part where they first differ, and the position of that part.

    >>> _apart(repr(100 * "a" + "b" + 100 * "c"), repr(100 * "a" + "x" + 100 * "c"))[2]
    ', which differ at character 101'
    """
    actual, expected = clean(actual, _MAX_COMPARED), clean(expected, _MAX_COMPARED)
    if max(len(actual), len(expected)) <= _MAX_VALUE:
        return actual, expected, ""
    place = len(commonprefix([actual, expected]))  # noqa: RUF071 - of texts, no paths
    start = place - _MAX_VALUE // 3
    # The beginnings show the difference.
    if start <= 0:
        return shorten(actual, _MAX_VALUE), shorten(expected, _MAX_VALUE), ""

    def around(text: str) -> str:
        end = start + _MAX_VALUE - 6
        return f"...{text[start:end]}{'...' if end < len(text) else ''}"

    return around(actual), around(expected), f", which differ at character {place}"


def wrong_output(program: str, printed: str, expected: str) -> str:
    """Return `the program, given '1 2', printed '4', expected '3'`."""
    shown = repr(shorten(printed, 2 * _MAX_VALUE))
    wanted = repr(shorten(expected, 2 * _MAX_VALUE))
    return f"{call_text(program)} printed {clean(shown, _MAX_VALUE)}{_expected(wanted)}"


def wrong_type(call: str, kind: str, expected: str | None) -> str:
    """Return the feedback on a value that cannot leave the sandbox, such as a generator."""
    return f"{call_text(call)} returned an object of type {clean(kind, 60)}{_expected(expected)}"


def error_text(facts: dict[str, Any], code: str) -> str:
    """Return `TypeError: message, line 3: return a + b`."""
    message = clean(str(facts["message"]), _MAX_MESSAGE)
    text = clean(str(facts["type"]), 60)
    if message:
        text += f": {message}"
    return text + line_of(facts, code)


def line_of(facts: dict[str, Any], code: str) -> str:
    """Return `, line 3: return a + b`, the program's innermost line in the traceback; empty if it has none."""
    line, lines = facts["line"], whole_lines(code)
    if not isinstance(line, int) or not 1 <= line <= len(lines):
        return ""
    statement = lines[line - 1].rstrip("\r\n")
    return f", line {line}: {clean(statement, _MAX_LINE)}"


def in_the_test(source: str, line: int) -> str:
    """Return `, in the test: assert f(1, 2) == 3`: the statement of a test that raised an error."""
    statement, _ = _statement_at(source, line)
    return "" if statement is None else f", in the test: {clean(_first_line(statement, source), _MAX_LINE)}"


def failed_check(source: str, facts: dict[str, Any]) -> str:
    """Return `assert f(x) == want failed: f(x) is 0, want is 6, x is 5`.

    Args:
        source: source of the test.
        facts: facts of the error; `test_line` is the line of the statement, `outer_line` that of the statement which
            has called it, `values` has the values of its names.
    """
    statement, before = _statement_at(source, facts["test_line"])
    outer, _ = _statement_at(source, facts["outer_line"])
    if statement is None:
        text, parts = f"{clean(source, _MAX_CALL)} failed", []
    else:
        text = f"{clean(_first_line(statement, source), _MAX_CALL)} failed"
        parts = _values(statement, before, source, facts["values"])
        if before is not None and parts:
            parts.append(f"after {clean(_first_line(before, source), _MAX_LINE)}")
        # `check(f(2), 3)`, which calls the function of the test that has the assertion
        if outer is not None and facts["outer_line"] != facts["test_line"]:
            parts.append(f"in {clean(_first_line(outer, source), _MAX_LINE)}")
    message = _explanation(str(facts["message"]))
    told = [part for part in (message, ", ".join(parts)) if part]
    return f"{text}: {'; '.join(told)}" if told else text


_OF_ALL_LINES = re.compile(r"  (?:[-+?]|  )|[-+?] |  (?!\S+ \S)|  Use -v")
"""A line of the difference of two texts, as pytest (`  - b`) or `unittest` (`- b`) writes it, or of advice."""


def _explanation(message: str) -> str:
    """Return the message of a failed assertion; for pytest, `0 == 6, where 0 = f(5)`."""
    told = ""
    # `unittest` writes both values, then the first difference, then a difference of all lines.
    parts = message[:_MAX_COMPARED].split("\n\n")[:2]
    for line in "\n".join(parts).split("\n"):
        words = line.strip().removeprefix("assert ")
        if _OF_ALL_LINES.match(line):
            continue
        if line.startswith(" + "):  # ` +  where 0 = f(5)`
            told += f", {words[1:].strip()}"
        elif words:
            told += f"; {words}" if told else words
    return clean(told, _MAX_MESSAGE)


def _values(statement: ast.stmt, before: ast.stmt | None, source: str, values: dict[str, str]) -> list[str]:
    """Return `f(x) is 0`, `want is 6` and `x is 5`: the compared values, then other names, of the call before too."""
    # For example {LEFT: f(x), RIGHT: want}; `values` has their texts by these names.
    kept = operands(statement)
    texts = {name: _source_of(node, source) for name, node in kept.items() if name in values}
    shown = {name: clean(values[name], _MAX_VALUE) for name in texts}
    place = ""
    if len(texts) == 2:
        *apart, place = _apart(*(values[name] for name in texts))
        shown = dict(zip(texts, apart, strict=True))
    # A literal needs no value.
    told = {texts[name]: shown[name] for name in texts if texts[name] != values[name]}
    # The other names, such as `x` in `f(x)`
    for node in chain(ast.walk(statement), ast.walk(before) if before else ()):
        if isinstance(node, ast.Name) and node.id in values:
            told.setdefault(node.id, clean(values[node.id], _MAX_NAMED))
    parts = [f"{clean(text, _MAX_NAMED)} is {value}" for text, value in told.items()]
    if place and parts:
        parts[min(len(texts), len(parts)) - 1] += place
    return parts


def _statement_at(source: str, line: Any) -> tuple[ast.stmt | None, ast.stmt | None]:
    """Return the innermost statement at a line, and the last statement before it in its block that has a call."""
    try:
        tree = parse_source(source)
    except SyntaxError:
        return None, None
    found = before = None
    # Breadth first: of a loop and the assertion in it, the assertion comes later.
    for parent in ast.walk(tree):
        called = None
        for node in ast.iter_child_nodes(parent):
            # A statement inside of this one is found later and replaces it.
            if isinstance(node, ast.stmt) and node.lineno <= (line or 0) <= (node.end_lineno or 0):
                found, before = node, called
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr) and _calls(node):
                called = node
    return found, before


def _calls(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Call) for each in ast.walk(node))


def _first_line(node: ast.stmt, source: str) -> str:
    head, _, rest = _source_of(node, source).partition("\n")
    # `with pytest.raises(ValueError): f(-1)`
    return f"{head} {rest.strip()}" if isinstance(node, ast.With) else head


def _source_of(node: ast.expr | ast.stmt, source: str) -> str:
    """Return the source of a part of a test in normal form, or as written if Python cannot write it."""
    try:
        return ast.unparse(node)
    except (ValueError, RecursionError):  # `0xfff...` with more digits than a decimal number may have; 330 terms
        return ast.get_source_segment(source, node) or ""


def with_printed(text: str, printed: str) -> str:
    """Return the text and, on a separate line, the beginning of the program's output if there is any."""
    output = printed.strip()
    if output:
        text += "\nprinted: " + clean(output.replace("\n", "\\n"), _MAX_PRINTED)
    return shorten(text, MAX_FEEDBACK)
