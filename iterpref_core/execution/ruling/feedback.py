"""Write short feedback for a debugger, the same each time, on one line if possible, always valid UTF-8."""

import ast
import re
import unicodedata
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
    place = len(commonprefix([actual, expected]))  # noqa: RUF071 - of texts, no paths
    letters = _look_alikes(actual, expected)
    start = place - _MAX_VALUE // 3
    # The beginnings show the difference.
    if start <= 0 or max(len(actual), len(expected)) <= _MAX_VALUE:
        return shorten(actual, _MAX_VALUE), shorten(expected, _MAX_VALUE), letters

    def around(text: str) -> str:
        end = start + _MAX_VALUE - 6
        return f"...{text[start:end]}{'...' if end < len(text) else ''}"

    return around(actual), around(expected), f", which differ at character {place}{letters}"


def _look_alikes(one: str, other: str) -> str:
    """Return the letters in which two texts first differ, escaped, if they may look alike; empty if not."""
    place = len(commonprefix([one, other]))  # noqa: RUF071 - of texts, no paths
    letter, wanted = one[place : place + 1], other[place : place + 1]
    # `cafe\u0301` for `caf\xe9`, or a Cyrillic a for an `a`: one letter is ASCII. The sign for Angstrom and an A with a
    # ring have one normal form.
    is_one_letter = unicodedata.normalize("NFKC", letter) == unicodedata.normalize("NFKC", wanted)
    if letter.isascii() == wanted.isascii() and (letter == wanted or not is_one_letter):
        return ""
    return f", where {letter!a} is not {wanted!a}"


def wrong_output(program: str, printed: str, expected: str) -> str:
    """Return `the program, given '1 2', printed '4', expected '3'`."""
    shown = repr(shorten(printed, 2 * _MAX_VALUE))
    wanted = repr(shorten(expected, 2 * _MAX_VALUE))
    printed_and_wanted = f"{clean(shown, _MAX_VALUE)}{_expected(wanted)}"
    return f"{call_text(program)} printed {printed_and_wanted}{_look_alikes(shown, wanted)}"


def wrong_type(call: str, kind: str, expected: str | None) -> str:
    """Return the feedback on a value that cannot leave the sandbox, such as a generator."""
    return f"{call_text(call)} returned an object of type {clean(kind, 60)}{_expected(expected)}"


def error_text(facts: dict[str, Any], code: str) -> str:
    """Return `TypeError: message, line 3: return a + b`."""
    told = [clean(str(facts[part]), _MAX_MESSAGE) for part in ("message", "notes")]
    text = clean(str(facts["type"]), 60)
    if any(told):
        text += f": {'; '.join(filter(None, told))}"
    return text + line_of(facts, code)


def line_of(facts: dict[str, Any], code: str) -> str:
    """Return `, line 3: return a + b`, the program's innermost line in the traceback; empty if it has none."""
    line, lines = facts["line"], whole_lines(code)
    if not isinstance(line, int) or not 1 <= line <= len(lines):
        return ""
    statement = lines[line - 1].rstrip("\r\n")
    return f", line {line}: {clean(statement, _MAX_LINE)}"


def in_the_test(source: str, facts: dict[str, Any]) -> str:
    """Return `, in the test: assert f(x, 2) == 3; x is 1`: a statement of a test that raised an error, with values."""
    statement, _ = _statement_at(source, facts["test_line"])
    if statement is None:
        return ""
    text = _first_line(statement, source)
    for node in ast.walk(parse_source(source)):
        if isinstance(node, ast.With) and node.lineno <= statement.lineno <= (node.end_lineno or 0):
            head, _, _ = _source_of(node, source).partition("\n")
            # Another error than `with pytest.raises(ValueError):` expects, or `with self.assertRaises(ValueError):`
            if "aises" in head and not isinstance(statement, ast.With):
                text = f"{head} {text}"
    values = ", ".join(_values(statement, None, source, facts["values"]))
    return f", in the test: {clean(text, _MAX_LINE)}{values and '; '}{values}"


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
    told = [part for part in (message, clean(str(facts["notes"]), _MAX_MESSAGE), ", ".join(parts)) if part]
    return f"{text}: {'; '.join(told)}" if told else text


_ADVICE = re.compile(r"  .*[Uu]se '?-vv?'? to |Diff is \d+ characters long")
"""A line in which pytest or `unittest` says how it would show more."""
_CHANGED = re.compile(r"(  )?([-+?])(?: (.*))?$")
"""A line of the difference of two texts, as pytest (`  - b`) or `unittest` (`- b`) writes it."""
_CUT = re.compile(r"\.\.\.|\[\d+ chars\]")


def _explanation(message: str) -> str:
    """Return the message of a failed assertion; for pytest, `0 == 6, where 0 = f(5)`."""
    # `unittest` writes both values, then the first difference, then a difference of all lines.
    lines = "\n".join(message[:_MAX_COMPARED].split("\n\n")[:2]).split("\n")
    changes = [change for line in lines if (change := _CHANGED.match(line))]
    is_pytest = any(change[1] for change in changes)
    # What stands before a line that both texts have
    common = "  " if changes and not is_pytest else "    "
    told = ""
    for line in lines:
        words = line.strip().removeprefix("assert ")
        if not words or _CHANGED.match(line) or _ADVICE.match(line):
            continue
        if line.startswith(" + "):  # ` +  where 0 = f(5)`
            told += f", {words[1:].strip()}"
        elif told.endswith(":"):  # `Extra items in the right set:`
            told += f" {words}"
        elif not line.startswith(common):
            told += f"; {words}" if told else words
    values = told.partition("; ")[0].rpartition("differ: ")[2]  # `Lists differ: [1] != [2]`
    more = ""
    for sign in (" == ", " != "):
        if values.count(sign) == 1:
            more += _look_alikes(*values.split(sign))
    if _CUT.search(values):
        more += _first_change(changes, is_pytest)
    return clean(told, _MAX_MESSAGE) + more


def _first_change(changes: list[re.Match[str]], is_pytest: bool) -> str:
    """Return `; the first lines that differ: b and x`, or `; only the first has the line: b`; empty if none is."""
    # pytest writes the expected text first, and skips how both begin.
    first, second = "+-" if is_pytest else "-+"
    lines = {change[2]: (change[3] or "").strip() for change in reversed(changes) if change[2] != "?"}
    if len(lines) == 2:
        one, other, place = _apart(lines[first], lines[second])
        return f"; the first lines that differ: {one} and {other}{'' if is_pytest else place}"
    for sign, line in lines.items():
        return f"; only the {'first' if sign == first else 'second'} has the line: {clean(line, _MAX_VALUE)}"
    return ""


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
