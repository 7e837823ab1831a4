r"""Lines of a program with their ends, as Python counts them, and the lines of one of its functions.

A line ends at LF, CRLF or CR and nowhere else. `line_diff` has the lines without their ends, as characters of the text.

`str.splitlines` also ends a line at a form feed, at U+2028 and at other separators, which stand inside of lines of
Python. The line numbers of syntax trees and tracebacks would then be those of other lines.
"""

import io
import re
import tokenize

_INDENTATION = re.compile(r"[ \t\f]*")


def whole_lines(text: str) -> list[str]:
    r"""Return the lines of a text with their ends.

    >>> whole_lines("a\x0c\r\nb\u2028c")
    ['a\x0c\r\n', 'b\u2028c']
    """
    # An empty `newline` ends lines at all three, and leaves the ends as they are.
    return list(io.StringIO(text, newline=""))


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
    try:
        # No token but a string's, or a part of an f-string's, is longer than a line.
        for token in tokenize.generate_tokens(io.StringIO(source, newline="\n").readline):
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
    except tokenize.TokenError as error:
        raise SyntaxError(str(error.args[0])) from None
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
