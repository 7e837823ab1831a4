r"""Answers of a pair: the program in each, or the reason why there is none.

A text is a program or an answer by what its row says, never by a guess at its content:

- A turn of a conversation is an answer, and so is a text that shows its program in a marked place: in a fenced block,
  or in tags. `extract_program` finds it.
- Every other text is a program as a whole. It stays as it is to the last character, or its row is left out.

A pair of answers tells one thing more: both are about the same task. If one side defines a name and the other side
shows several programs, the program that defines this name is meant.

A program may continue the prompt's code. Then it is indented, and no module by itself: `    return a + b`.
"""

import ast
import re
from typing import Literal

from iterpref_core.problems.ingestion.columns import Kind
from iterpref_core.programs.answers.extraction import extract_program, lacks_program
from iterpref_core.programs.source_code.names import undefined_names
from iterpref_core.programs.source_code.syntax_tree import parse_source

Reason = Literal["no_prompt", "empty", "no_code", "not_python", "same_program"]

_MARK = re.compile(
    r"^[ \t]*(?:[>*+-][ \t]*|\d+[.)][ \t]*)*(?:```|~~~)|\[/?PYTHON\]|</?(?:python|code|answer|solution|think\w*)>",
    re.MULTILINE | re.IGNORECASE,
)
"""Fences and tags that mark where a program stands in an answer, or where it does not."""
_PYTHON_MARK = re.compile(
    r"^[ \t]*(?:```|~~~)[ \t]*(?:python|py)3?\b|\[PYTHON\]|<python>", re.MULTILINE | re.IGNORECASE
)


def find_programs(chosen: str, rejected: str, kind: Kind | None = None) -> tuple[str, str] | Reason:
    r"""Return the programs in two texts for one task, or the reason why there are none.

    Args:
        chosen: the text of the better side.
        rejected: the text of the other side, whose program may be broken.
        kind: what the texts are, if the row or the user says it. None: answers if one of them marks its program.

    >>> find_programs("```python\nx = 1\n```", "```python\nx = 2\n```")
    ('x = 1\n', 'x = 2\n')
    >>> find_programs("x = 1\nprint x\n", "x = 2\nprint x\n")
    'not_python'
    """
    if not chosen.strip() or not rejected.strip():
        return "empty"
    marked = marks_program(chosen) or marks_program(rejected)
    programs: tuple[str, str] | Reason = "no_code"
    if kind == "code" or not marked:
        programs = _whole_programs(chosen, rejected)
    if isinstance(programs, str) and (kind == "answer" or (kind is None and marked)):
        programs = _programs_in(chosen, rejected)
    if isinstance(programs, str):
        return programs
    return "same_program" if programs[0] == programs[1] else programs


def states_python(answer: str) -> bool:
    """Return True if an answer says that its program is Python, by the tag of a block or in `[PYTHON]`."""
    return _PYTHON_MARK.search(answer) is not None


def reason_against_names(code: str) -> str:
    """Return why a program whose language nothing states is not taken for Python; an empty text if it is."""
    names = undefined_names(code)
    if not names:
        return ""
    return (
        f"nothing in the program defines {names[0]!r}, and nothing says that it is Python; "
        "if it is, say so in a column `language`"
    )


def marks_program(text: str) -> bool:
    """Return True if a text is an answer that shows a program in a marked place, and no program itself."""
    return _MARK.search(text) is not None and not is_program(text)


def is_no_program(text: str) -> bool:
    """Return True if a text is surely no program, not even a broken one: words, or data."""
    body = _body(text)
    return lacks_program(text) or (body is not None and not any(map(_does_something, body)))


def is_program(text: str) -> bool:
    """Return True if a text is Python to the last character; a word, a number or a list of texts alone is none."""
    return any(map(_does_something, _body(text) or ()))


def _body(text: str) -> list[ast.stmt] | None:
    """Return the statements of a text; None if the text is no Python."""
    try:
        return parse_source(text).body
    except SyntaxError:
        return None


def _does_something(node: ast.stmt) -> bool:
    """Return False for a constant or a name, or a display of such, and for `key: value`, which YAML has as well."""
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    if not isinstance(node, ast.Expr):
        return True
    calls = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
    return any(isinstance(inner, calls) for inner in ast.walk(node))


def _whole_programs(chosen: str, rejected: str) -> tuple[str, str] | Reason:
    """Return two texts that are programs as they are; the rejected one may have syntax errors."""
    if not is_program(chosen) and not _is_indented_code(chosen):
        return "no_code" if is_no_program(chosen) else "not_python"
    return "no_code" if is_no_program(rejected) and not rejected[:1].isspace() else (chosen, rejected)


def _is_indented_code(text: str) -> bool:
    """Return True if a text goes on inside of a function; an indented word or `key: value` is no code."""
    if not text.lstrip("\r\n")[:1].isspace():
        return False
    body = _body(f"def _():\n{text}") or []
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    return len(body) == 1 and any(_does_something(node) for function in functions for node in function.body)


def _programs_in(chosen: str, rejected: str) -> tuple[str, str] | Reason:
    """Return the programs in two answers."""
    right = extract_program(chosen)
    wrong = extract_program(rejected)
    # If one side's program defines `add` and the other side's does not, look there for a program that does.
    wrong = _defining(_defined(right), rejected, wrong)
    right = _defining(_defined(wrong), chosen, right)
    if not (right and right.strip() and wrong and wrong.strip()):
        return "no_code"
    if _is_shortened(chosen, right) or _is_shortened(rejected, wrong):
        return "not_python"
    right = _as_it_stands(chosen, right)
    if not is_program(right) and not _is_indented_code(right):
        return "not_python"
    return right, _as_it_stands(rejected, wrong)


def _defining(names: list[str], answer: str, program: str | None) -> str | None:
    for name in names:
        if name not in _defined(program):
            other = extract_program(answer, name)
            program = other if name in _defined(other) else program
    return program


def _as_it_stands(answer: str, program: str) -> str:
    """Return an answer that is its program as a whole, with its own ends of lines; else the program."""
    return answer if answer.split() == program.split() and is_program(answer) else program


def _is_shortened(answer: str, program: str) -> bool:
    """Return True if a program is a part of an answer that marks none: the rest may be code that is no Python 3."""
    if _MARK.search(answer):
        return False
    return "".join(program.split()) != "".join(answer.removeprefix("\ufeff").split())


def _defined(program: str | None) -> list[str]:
    """Return the names of the functions and classes that a program defines, the last one first."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node.name for node in reversed(_body(program or "") or ()) if isinstance(node, kinds)]
