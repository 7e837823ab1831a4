r"""Find the programs of rows, whose texts are programs or answers that mark a program.

A fenced block or a tag marks a program (`extract_program` finds it). Every other text is a program to its last
character, or its row is left out: where a program begins and ends is never guessed.
"""

import ast
import re
from contextlib import suppress

from iterpref_core.programs.answers.extraction import extract_program, lacks_program
from iterpref_core.programs.answers.fences import is_markdown, open_block
from iterpref_core.programs.source_code.lines import cut_lines, lines_in_strings, whole_lines
from iterpref_core.programs.source_code.names import undefined_names
from iterpref_core.programs.source_code.syntax_tree import shared_tree

from .columns import DroppedError

_TAG = re.compile(r"\[/?PYTHON\]|</?(?:python|code|answer|solution|think\w*)>", re.IGNORECASE)
"""Tags around a program in an answer, or around other text."""
_PYTHON_MARK = re.compile(
    r"^[ \t]*(?:```|~~~)[ \t]*(?:python|py)3?\b|\[PYTHON\]|<python>", re.MULTILINE | re.IGNORECASE
)
_PYTHON_2 = re.compile(r"^\s*print\s+[^=(\s]|\braw_input\s*\(|\bxrange\s*\(", re.MULTILINE)


def program_in(text: str, name: str | None = None) -> str:
    r"""Return the program in an answer that marks it; any other text as it is.

    Args:
        text: a program or an answer.
        name: the function that the program defines, where an answer shows several.

    >>> program_in("So:\n```python\nx = 1\n```\nDone."), program_in("x = 1"), program_in("I cannot do that.")
    ('x = 1\n', 'x = 1', 'I cannot do that.')
    """
    # A method may be published with the indentation of its class.
    if text.startswith((" ", "\t")) and not is_program(text):
        with suppress(SyntaxError):
            text = cut_lines(text, 1, len(whole_lines(text)), lines_in_strings(text))
    # A program may hold tags in its strings: Python as a whole is never searched.
    if not (is_markdown(text) or _TAG.search(text)) or is_program(text):
        return text
    return extract_program(text, name) or text


def is_cut(answer: str, program: str, name: str | None = None) -> bool:
    r"""Return True if the program that `program_in` finds in an answer is of a block that the answer does not close.

    This answer was cut, mostly at a limit of tokens, though the rest may be Python.

    >>> is_cut("```\nx = 1\n", "x = 1\n"), is_cut("```\nx = 1\n```\nUsage:\n```\nf(", "x = 1\n")
    (True, False)
    """
    begin = open_block(answer) if is_markdown(answer) else None
    return begin is not None and program_in(answer[:begin], name) != program


def find_programs(chosen: str, rejected: str) -> tuple[str, str]:
    r"""Return the programs in two texts for one task; the rejected one may have syntax errors.

    >>> find_programs("```python\nx = 1\n```", "```python\nx = 2\n```")
    ('x = 1\n', 'x = 2\n')

    Raises:
        DroppedError: a program is missing or cut, or both are the same.
    """
    if not chosen.strip() or not rejected.strip():
        raise DroppedError("empty", "an answer is empty")
    right = program_in(chosen)
    wrong = program_in(rejected)
    # If the chosen program defines `add`, the rejected answer means the program that defines `add`.
    if right != chosen or wrong != rejected:
        of_right = next(iter(defined_names(right)), None)
        wrong = program_in(rejected, of_right)
        of_wrong = next(iter(defined_names(wrong)), None)
        right = program_in(chosen, of_wrong)
        if is_cut(chosen, right, of_wrong) or is_cut(rejected, wrong, of_right):
            raise DroppedError("truncated", "an answer ends in a block; if only its last fence is missing, add it")
    if is_no_program(right) or is_no_program(wrong):
        raise DroppedError("no_code", "an answer has no Python program: it is prose, data or another language")
    if not is_program(right):
        raise DroppedError("not_python", "the chosen program is not Python 3, or has a syntax error")
    # A difference in line ends, or at the end of the program, is not one to learn from.
    if right.replace("\r\n", "\n").rstrip() == wrong.replace("\r\n", "\n").rstrip():
        raise DroppedError("same_program", "both programs are the same but for line ends and blanks at the end")
    return right, wrong


def defined_names(program: str) -> list[str]:
    """Return the names of the functions and classes that a program defines, the last one first."""
    # The last definition of a name counts.
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node.name for node in reversed(_body(program)) if isinstance(node, kinds)]


def is_checker(source: str) -> bool:
    """Return True for Python with a function `check` that takes an input, the expected and the printed output."""
    checks = [node for node in _body(source) if isinstance(node, ast.FunctionDef) and node.name == "check"]
    # `def check(input, expected, printed)`, or with `*args`.
    if not checks:
        return False
    arguments = checks[-1].args
    most = len(arguments.posonlyargs) + len(arguments.args)
    return most - len(arguments.defaults) <= 3 and (most >= 3 or arguments.vararg is not None)


def states_python(answer: str) -> bool:
    """Return True if an answer states Python, by the tag of a block or by `[PYTHON]`."""
    return _PYTHON_MARK.search(answer) is not None


def check_names(code: str) -> None:
    """Check that a program of unknown language defines the names that it reads, as Python needs.

    Raises:
        DroppedError: it does not.
    """
    names = undefined_names(code)
    if names:
        raise DroppedError(
            "undefined_name",
            f"nothing in the program defines {names[0]!r}, and nothing says that it is Python; if it is, say so in a "
            "column `language`",
        )


def is_no_program(text: str) -> bool:
    """Return True if a text is surely no program, not even a broken one: words, or data."""
    body = _body(text)
    return lacks_program(text) or (bool(body) and not any(map(_does_something, body)))


def is_program(text: str) -> bool:
    """Return True if a text is Python to the last character; a word, a number or a list of texts alone is not."""
    return any(map(_does_something, _body(text)))


def is_python_2(code: str) -> bool:
    """Return True for a program that Python 3 cannot parse, and that prints or reads as in Python 2."""
    return not _body(code) and _PYTHON_2.search(code) is not None


def _body(text: str) -> list[ast.stmt]:
    """Return the statements of a text; an empty list if the text is not Python."""
    try:
        return shared_tree(text).body
    except SyntaxError:
        return []


def _does_something(node: ast.stmt) -> bool:
    """Return False for a constant or a name, or a display of such, and for `key: value`, which YAML has as well."""
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    calls = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
    return not isinstance(node, ast.Expr) or any(isinstance(inner, calls) for inner in ast.walk(node))
