r"""Answers of a pair: the program in each, or the reason why there is none.

`extract_program` finds the program in an answer. A pair tells two things more:

- Both answers are about the same task. If one side defines a name and the other side shows several programs, the
  program that defines this name is meant.
- An answer may continue the prompt's code. Then it is indented, and not a program by itself: `    return a + b`.
"""

import ast
import re
from typing import Literal

from iterpref_core.answers.extraction import extract_program, lacks_program
from iterpref_core.source_code.lines import split_lines
from iterpref_core.source_code.syntax_tree import parse_source

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
_FOREIGN = re.compile(
    r"""
    ^\s*\#include\b | ^\s*(?:pub\s+)?fn\s+\w+\s*\( | ^\s*func\s+\w+\s*\(
    | ^\s*(?:const|let|var)\s+\w+\s*= | \bfunction\s+\w+\s*\( | \bconsole\.log\(
    | ^\s*(?:public|private|static)\s+\w+ | \bSystem\.out\. | ^\s*(?:int|void|double|char)\s+\w+\s*\(
    """,
    re.MULTILINE | re.VERBOSE,
)
"""Beginnings of lines, and calls, of Rust, Go, JavaScript, Java and C; `console.log(1)` is Python by its syntax."""


def find_programs(chosen: str, rejected: str) -> tuple[str, str] | Reason:
    r"""Return the programs in two answers to one task, or the reason why there are none.

    >>> find_programs("```python\nx = 1\n```", "```python\nx = 2\n```")
    ('x = 1\n', 'x = 2\n')
    """
    if not chosen.strip() or not rejected.strip():
        return "empty"
    if _are_programs(chosen, rejected):
        return "same_program" if chosen == rejected else (chosen, rejected)
    programs = _programs(chosen, rejected)
    if isinstance(programs, str):
        return programs
    return "same_program" if programs[0] == programs[1] else programs


def _are_programs(chosen: str, rejected: str) -> bool:
    """Return True if two answers are programs to the last character; the rejected one may have syntax errors."""
    # A block of Markdown is an answer that shows a program, unless the fence stands in a program's own text.
    if "```" in rejected and not _is_python(rejected):
        return False
    if _is_indented_code(chosen):
        return True
    return _is_python(chosen) and not lacks_program(rejected) and not _FOREIGN.search(chosen + rejected)


def _is_python(text: str) -> bool:
    """Return True if a text is Python code; a word or a number alone is an answer without a program."""
    try:
        body = parse_source(text).body
    except SyntaxError:
        return False
    for node in body:
        is_word = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Name)
        if not is_word:
            return True
    return False


def _is_indented_code(text: str) -> bool:
    first = next((line for line in split_lines(text) if line.strip()), "")
    if not first[:1].isspace():
        return False
    try:
        parse_source(f"def _():\n{text}")
    except SyntaxError:
        return False
    return True


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
    assert right is not None
    assert wrong is not None
    return right, wrong


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
