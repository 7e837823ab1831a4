"""Find what a description must not hold: code of the function, and values that only its tests know.

Texts and programs are compared as runs of words and signs, without quotes, so that layout does not matter.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from iterpref_core.records import word_runs

from .evidence import called_name
from .functions import Function

RUN = 6
"""So many words and signs in a row, with an operator or a call among them, are code, wherever a line ends."""
_WORD = re.compile(r"\w+|[^\w\s'\"`]")
_STRING = re.compile(r"""\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)
_OPERATORS = frozenset("=+-*/%<>|&^~@[")
_LEADING = ("return", "yield", "raise")


def code_in(text: str, function: Function) -> str:
    """Return a line of a function's body that a text holds, or a run of its code; an empty text if there is none.

    What says too little to be a solution does not count: a name, a literal, or `else:`. Nor do texts in the source,
    such as the message of an error.
    """
    said = _spaced(_words(text))
    lines = list(dict.fromkeys(_lines(function)))
    for line in lines:
        if _is_telling(line) and _spaced(_words(line)) in said:
            return line
    body = "\n".join(ast.unparse(each) for each in function.node.body)
    for piece in _STRING.split(body):
        for run in word_runs(_words(piece), RUN):
            if _computes(run) and _spaced(run) in said:
                return " ".join(run)
    return ""


def expected_value_in(text: str, function: Function, tests: Sequence[Function]) -> str:
    """Return a value that a text holds and a test expects; an empty text if there is none.

    A value of the function's own source, such as a message, is part of what it does. A value of one character, and
    True, False, None and empty ones name a special case. A word counts if it is quoted.

    Args:
        text: the description.
        function: what it describes.
        tests: the function's tests.
    """
    said = _spaced(_words(text))
    own = _spaced(_words(function.text()))
    for test in tests:
        for value in _expected(test, called_name(function)):
            words = _words(str(value))
            if len("".join(words).removesuffix(".0").lstrip("-")) < 2 or _spaced(words) in own:
                continue
            is_word = isinstance(value, str) and len(words) == 1
            quoted = re.search(rf"""["'`]{re.escape(str(value))}["'`]""", text)
            if quoted if is_word else _spaced(words) in said:
                return repr(value)
    return ""


def _lines(function: Function) -> Iterator[str]:
    """Yield the lines of a function's body, its statements in one line each, and the values in them."""
    first, last = function.node.body[0], function.node.body[-1]
    if first.lineno > function.node.lineno:
        yield from map(str.strip, function.module.source.split("\n")[first.lineno - 1 : last.end_lineno])
    for node in ast.walk(ast.Module(function.node.body, [])):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            yield ast.unparse(node)
        for field in ("value", "test", "iter"):
            value = getattr(node, field, None)
            if isinstance(node, ast.stmt) and isinstance(value, ast.expr):
                yield ast.unparse(value)


def _is_telling(line: str) -> bool:
    """Return True for a line that says how, apart from the strings in it."""
    words = _words(_STRING.sub("", line.partition("  #")[0]))
    return (len(words) > 3 and _computes(words)) or (len(words) > 2 and words[0] in _LEADING)


def _computes(words: Sequence[str]) -> bool:
    """Return True if an operator or a call is among the words and signs of code."""
    calls = (word.isidentifier() and sign == "(" for word, sign in pairwise(words))
    return not _OPERATORS.isdisjoint(words) or any(calls)


def _expected(test: Function, tested: str) -> Iterator[object]:
    """Yield the literals of a test that are not arguments of the tested function, also those of the names it uses."""
    used = {node.id for node in ast.walk(test.node) if isinstance(node, ast.Name)}
    waiting: list[ast.AST] = [test.node]
    for statement in test.module.tree.body:
        if isinstance(statement, ast.Assign) and used.intersection(map(ast.unparse, statement.targets)):
            waiting.append(statement.value)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == tested:
            continue
        if isinstance(node, ast.Constant) and not isinstance(node.value, bool | type(None) | type(...)):
            yield node.value
        elif isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
            try:
                value = ast.literal_eval(node)
            except (ValueError, TypeError):
                value = ()
            if len(value) > 1:
                yield value
        waiting.extend(ast.iter_child_nodes(node))


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _spaced(words: Sequence[str]) -> str:
    """Return words with a blank between them and around them, so that a part of them is a part of the text."""
    return f" {' '.join(words)} "
