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
"""The words and signs in a run."""
_WORD = re.compile(r"\w+|[^\w\s'\"`]")
_STRING = re.compile(r"""\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)
_OPERATORS = frozenset("=+-*/%<>|&^~@[")
_LEADING = ("return", "yield", "raise")


def code_in(text: str, function: Function) -> str:
    """Return a run of a function's code that a text holds; an empty text if there is none.

    A statement or expression shorter than a run counts, but not what says too little to be a solution: a name, a
    literal, `else:`, or three words. Nor do texts in the source, such as the message of an error.
    """
    said = _spaced(_words(text))
    for node in ast.walk(ast.Module(function.node.body, [])):
        source = ast.unparse(node) if isinstance(node, ast.stmt | ast.expr) else ""
        for piece in _STRING.split(source):
            words = _words(piece)
            for run in (*word_runs(words, RUN), words[:RUN]):
                if _is_telling(run) and _spaced(run) in said:
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


def _is_telling(words: Sequence[str]) -> bool:
    """Return True for more than three words and signs of code that end a function, or have an operator or a call."""
    calls = (word.isidentifier() and sign == "(" for word, sign in pairwise(words))
    return len(words) > 3 and (words[0] in _LEADING or not _OPERATORS.isdisjoint(words) or any(calls))


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
