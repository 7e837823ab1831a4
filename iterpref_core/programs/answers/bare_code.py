"""Bare code: Python that stands within prose, without a fence around it."""

import re
from collections.abc import Iterable, Iterator, Sequence

from iterpref_core.programs.answers.python_text import (
    MAX_PROGRAM,
    STATEMENT,
    Excerpt,
    Parser,
    is_prose,
    lines_of,
)

_BEGINNING = re.compile(rf"[ \t]*(?:{STATEMENT.pattern}|[\w.\[\], \t*]+=[^=])", re.VERBOSE | re.MULTILINE)
"""A line with which code may begin: also an assignment, if Python can parse it."""
_FENCE_BEHIND_CODE = re.compile(r"(?<=[^\s`])`{3,}+(?=[ \t]*$)", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)(`+)(?!`)(?:python |py )?([^`\n]+)\1(?!`)")
_MAX_RUNS = 500
"""Beginnings that are tried."""


def read_bare_code(
    text: str,
    hidden: Sequence[tuple[int, int]],
    parser: Parser,
) -> list[Excerpt]:
    r"""Return the runs of lines that are Python, in order, each as long as it can be.

    EvalPlus's sanitizer tries all pairs of a first and a last line. Here a run begins with a line that is Python and no
    prose, and ends before the line that the parser names as the first wrong one, and before words that do nothing.

    Args:
        text: the answer.
        hidden: spans that are not looked at.
        parser: parses.

    Examples:
        >>> read_bare_code("Here it is.\n\ndef f(x):\n    return x + 1\n\nDone\n", (), Parser())[0].code
        'def f(x):\n    return x + 1\n'
    """
    # "return x```": the fence goes, and as many blanks come, so that places in the text stay true.
    text = _FENCE_BEHIND_CODE.sub(lambda fence: " ".ljust(len(fence[0])), hide(text, hidden))
    lines = lines_of(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found: list[Excerpt] = []
    number = tries = 0
    while number < len(lines) and tries < _MAX_RUNS:
        if not _BEGINNING.match(lines[number]):
            number += 1
            continue
        tries += 1
        run = _longest_run(_indented_lines(lines, number), parser)
        if run is None:
            number += 1
            continue
        length, excerpt = run
        found.append(Excerpt(starts[number], starts[number + length], excerpt.code, excerpt.tree))
        number += length
    return found


def hide(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text of the same length in which nothing is to be found in these spans."""
    kept = []
    at = 0
    for start, end in sorted(spans):
        begin = max(start, at)
        kept.append(text[at:begin])
        kept.append(re.sub(r"[^\n]", "`", text[begin:end]))
        at = max(end, at)
    return "".join((*kept, text[at:]))


def read_inline_code(text: str, parser: Parser) -> Iterator[Excerpt]:
    """Yield the Python between backticks within a line."""
    for match in _INLINE.finditer(text):
        tree = parser.tree(match[2].strip())
        if tree is not None:
            yield Excerpt(match.start(), match.end(), match[2].strip() + "\n", tree)


def _indented_lines(lines: Sequence[str], number: int) -> list[str]:
    """Return the lines from one on that are indented as far as it is, without that indentation."""
    first = lines[number]
    margin = first[: len(first) - len(first.lstrip(" \t"))]
    if not margin:
        return list(lines[number:])
    kept = []
    for line in lines[number:]:
        if line.strip() and not line.startswith(margin):
            break
        kept.append(line.removeprefix(margin) if line.strip() else "\n")
    return kept


def _longest_run(lines: list[str], parser: Parser) -> tuple[int, Excerpt] | None:
    """Return how many of the lines, from the first on, are Python, and that Python; None where none are."""
    length = _parsable(lines)
    while length > 0:
        code = "".join(lines[:length]).rstrip() + "\n"
        parsed = parser.parse(code)
        # "x = 1\nThen we print it.\nprint(x)": the parser names line 2, so the run is tried again with line 1 alone.
        if isinstance(parsed, SyntaxError):
            wrong = parsed.lineno or 0
        else:
            wrong = next((statement.lineno for statement in parsed.body if is_prose(statement)), 0)
            if not wrong:
                return length, Excerpt(0, 0, _without_titles(code), parsed)
        length = min(wrong - 1, length - 1)
    return None


def _without_titles(code: str) -> str:
    """Return code without the titles of Markdown behind it, which are comments to Python."""
    lines = lines_of(code)
    while lines and (lines[-1].startswith("#") or not lines[-1].strip()):
        lines.pop()
    return "".join(lines)


def _parsable(lines: list[str]) -> int:
    """Return how many of the lines are short enough together to be parsed."""
    characters = 0
    for number, line in enumerate(lines):
        characters += len(line)
        if characters > MAX_PROGRAM:
            return number
    return len(lines)
