r"""Lines of a program with their ends, as Python counts them, and the lines of one of its functions.

A line ends at LF, CRLF or CR and nowhere else. `line_diff` has the lines without their ends, as characters of the text.

`str.splitlines` also ends a line at a form feed, at U+2028 and at other separators, which stand inside of lines of
Python. The line numbers of syntax trees and tracebacks would then be those of other lines.
"""

import io
import re
import tokenize
from collections.abc import Iterator

_INDENTATION = re.compile(r"[ \t\f]*")
# Since Python 3.12 an f-string is several tokens, and since 3.14 a t-string; before, an f-string is a STRING.
_OPENING = {getattr(tokenize, name, None) for name in ("FSTRING_START", "TSTRING_START")}
_CLOSING = {getattr(tokenize, name, None) for name in ("FSTRING_END", "TSTRING_END")}

Position = tuple[int, int]
"""A line, from 1, and a column, from 0."""


def whole_lines(text: str) -> list[str]:
    r"""Return the lines of a text with their ends.

    >>> whole_lines("a\x0c\r\nb\u2028c")
    ['a\x0c\r\n', 'b\u2028c']
    """
    # An empty `newline` ends lines at all three, and leaves the ends as they are.
    return list(io.StringIO(text, newline=""))


def _literal_positions(source: str) -> Iterator[tuple[Position, Position]]:
    """Yield the beginning and the end of each string literal of a program, an f-string as a whole.

    Args:
        source: a whole program whose lines end with LF.

    Raises:
        SyntaxError: Python's tokenizer cannot read the program.
    """
    opened: list[Position] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source, newline="\n").readline):
            if token.type in _OPENING:
                opened.append(token.start)
            elif token.type in _CLOSING:
                start = opened.pop()
                if not opened:
                    yield start, token.end
            elif not opened and token.type == tokenize.STRING:
                yield token.start, token.end
    except tokenize.TokenError as error:
        raise SyntaxError(str(error.args[0])) from None


def lines_in_strings(source: str) -> frozenset[int]:
    r"""Return the numbers, from 1, of the lines that begin inside of a string literal.

    Args:
        source: a whole program whose lines end with LF.

    Raises:
        SyntaxError: Python's tokenizer cannot read the program.

    >>> sorted(lines_in_strings("x = '''a\nb\nc'''\ny = (1,\n  2)\n"))
    [2, 3]
    """
    inside: set[int] = set()
    for (first, _), (last, _) in _literal_positions(source):
        inside.update(range(first + 1, last + 1))
    return frozenset(inside)


def cut_lines(source: str, first: int, last: int, in_strings: frozenset[int]) -> str:
    r"""Return some lines of a program without the indentation of the first of them; string literals keep theirs.

    Args:
        source: the program, whose lines end with LF.
        first: number of the first line, from 1.
        last: number of the last one.
        in_strings: see `lines_in_strings`.

    >>> source = "class A:\n    def f(self):\n        return '''\n    a'''\n"
    >>> cut_lines(source, 2, 4, lines_in_strings(source))
    "def f(self):\n    return '''\n    a'''\n"
    """
    lines = whole_lines(source)[first - 1 : last]
    margin = _indentation(lines[0])
    cut = []
    for number, line in enumerate(lines, first):
        # A comment, or a line in brackets, may stand further to the left than the first line.
        shared = 0 if number in in_strings else _shared(margin, line)
        cut.append(line[shared:])
    return "".join(cut)


def _indentation(line: str) -> str:
    found = _INDENTATION.match(line)
    return found.group() if found else ""


def _shared(margin: str, line: str) -> int:
    """Return the number of characters that a margin and the beginning of a line share."""
    for number, (wanted, given) in enumerate(zip(margin, line, strict=False)):
        if wanted != given:
            return number
    return min(len(margin), len(line))
