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
from iterpref_core.programs.source_code.lines import literal_positions, split_lines
from iterpref_core.programs.source_code.names import undefined_names
from iterpref_core.programs.source_code.syntax_tree import parse_source

Reason = Literal["no_prompt", "empty", "no_code", "not_python", "same_program"]

_PYTHON_TAGS = {"python", "py", "python3", "py3"}
_PROSE_TAGS = {
    "",
    "text",
    "plaintext",
    "markdown",
    "md",
    "console",
    "output",
    "bash",
    "sh",
    "shell",
}
_TAG = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*([\w+#.-]+)", re.MULTILINE)
_MARK = re.compile(
    r"^[ \t]*(?:[>*+-][ \t]*|\d+[.)][ \t]*)*(?:```|~~~)|\[/?PYTHON\]|</?(?:python|code|answer|solution|think\w*)>",
    re.MULTILINE | re.IGNORECASE,
)
"""Fences and tags that mark where a program stands in an answer, or where it does not."""
_PYTHON_MARK = re.compile(r"\[PYTHON\]|<python>", re.IGNORECASE)
_FOREIGN = re.compile(
    r"""
    ^\s*\#include\b | ^\s*(?:pub\s+)?fn\s+\w+\s*\( | ^\s*func\s+\w+\s*\(
    | ^\s*(?:const|let|var)\s+\w+\s*= | \bfunction\s+\w+\s*\( | \bconsole\.log\(
    | ^\s*(?:public|private|static)\s+\w+ | \bSystem\.out\. | ^\s*(?:int|void|double|char)\s+\w+\s*\(
    """,
    re.MULTILINE | re.VERBOSE,
)
"""Beginnings of lines, and calls, of Rust, Go, JavaScript, Java and C; `console.log(1)` is Python by its syntax."""


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
    if kind == "answer" or (kind is None and marked):
        programs = _programs(chosen, rejected) if isinstance(programs, str) else programs
    if isinstance(programs, str):
        return programs
    return "same_program" if programs[0] == programs[1] else programs


def states_python(answer: str) -> bool:
    """Return True if an answer says that its program is Python, by the tag of a block or in `[PYTHON]`."""
    tags = {tag.lower() for tag in _TAG.findall(answer)}
    return bool(tags & _PYTHON_TAGS) or _PYTHON_MARK.search(answer) is not None


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


def _whole_programs(chosen: str, rejected: str) -> tuple[str, str] | Reason:
    """Return two texts that are programs as they are; the rejected one may have syntax errors."""
    if _is_indented_code(chosen):
        return "no_code" if lacks_program(rejected) and not _is_indented(rejected) else (chosen, rejected)
    if not is_program(chosen):
        return _reason_against(chosen)
    if is_no_program(rejected):
        return "no_code"
    if not _parses(rejected) and _FOREIGN.search(rejected):
        return "not_python"
    return (chosen, rejected)


def _reason_against(text: str) -> Reason:
    is_words = _parses(text) and not _FOREIGN.search(text)
    return "no_code" if is_words or (lacks_program(text) and not _FOREIGN.search(text)) else "not_python"


def _parses(text: str) -> bool:
    try:
        parse_source(text)
    except SyntaxError:
        return False
    return True


def is_no_program(text: str) -> bool:
    """Return True if a text is surely no program, not even a broken one: words, or data."""
    return lacks_program(text) or (_parses(text) and not is_program(text))


def is_program(text: str) -> bool:
    """Return True if a text is Python to the last character; a word, a number or a list of texts alone is none."""
    try:
        body = parse_source(text).body
    except SyntaxError:
        return False
    if not any(_does_something(node) for node in body):
        return False
    # Where the whole text has no such words, the program without its texts has none.
    return not _FOREIGN.search(text) or not _FOREIGN.search(_without_texts(text))


def _does_something(node: ast.stmt) -> bool:
    """Return False for a constant or a name, or a display of such, and for `key: value`, which YAML has as well."""
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    if not isinstance(node, ast.Expr):
        return True
    calls = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
    return any(isinstance(inner, calls) for inner in ast.walk(node))


def _without_texts(code: str) -> str:
    """Return a program with blanks for its string literals and comments, which may speak of other languages."""
    lines = split_lines(code)
    source = "".join(f"{line}\n" for line in lines)
    try:
        for start, end in literal_positions(source, comments=True):
            _blank(lines, start, end)
    except SyntaxError:
        return code
    return "\n".join(lines)


def _blank(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> None:
    for row in range(start[0], end[0] + 1):
        line = lines[row - 1]
        first = start[1] if row == start[0] else 0
        last = end[1] if row == end[0] else len(line)
        lines[row - 1] = line[:first] + " " * (last - first) + line[last:]


def _is_indented_code(text: str) -> bool:
    """Return True if a text goes on inside of a function; an indented word or `key: value` is no code."""
    if not _is_indented(text):
        return False
    try:
        (function,) = parse_source(f"def _():\n{text}").body
    except (SyntaxError, ValueError):
        return False
    assert isinstance(function, ast.FunctionDef)
    return any(map(_does_something, function.body)) and not _FOREIGN.search(_without_texts(f"def _():\n{text}"))


def _is_indented(text: str) -> bool:
    first = next((line for line in split_lines(text) if line.strip()), "")
    return first[:1].isspace()


def _programs(chosen: str, rejected: str) -> tuple[str, str] | Reason:
    right = extract_program(chosen)
    wrong = extract_program(rejected)
    # If one side's program defines `add` and the other side's does not, look there for a program that does.
    for name in _defined(right):
        if name not in _defined(wrong):
            other = extract_program(rejected, name)
            wrong = other if name in _defined(other) else wrong
    for name in _defined(wrong):
        if name not in _defined(right):
            other = extract_program(chosen, name)
            right = other if name in _defined(other) else right
    for answer, program in ((chosen, right), (rejected, wrong)):
        if program is None or not program.strip():
            return "not_python" if _shows_other_language(answer) else "no_code"
        if _FOREIGN.search(program) and not _defined(program):
            return "not_python"
        if _is_shortened(answer, program):
            return "not_python"
    assert right is not None
    assert wrong is not None
    right = _as_it_stands(chosen, right)
    wrong = _as_it_stands(rejected, wrong)
    if not is_program(right) and not _is_indented_code(right):
        return "not_python"
    return right, wrong


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
    try:
        tree = parse_source(program or "")
    except SyntaxError:
        return []
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node.name for node in reversed(tree.body) if isinstance(node, kinds)]


def _shows_other_language(answer: str) -> bool:
    tags = {tag.lower() for tag in _TAG.findall(answer)}
    return bool(tags - _PYTHON_TAGS - _PROSE_TAGS) or bool(_FOREIGN.search(answer))
