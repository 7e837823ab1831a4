r"""Split a program into lines as Python counts them, and cut out the lines of a function.

A line ends at LF, CRLF or CR and nowhere else. `line_diff` has the lines without their ends, as characters of the text.

`str.splitlines` also ends a line at a form feed, at U+2028 and at other separators, which Python
allows inside of lines. The line numbers of syntax trees and tracebacks would then belong to other lines.
"""

import io
import tokenize
from os.path import commonprefix


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
    margin = lines[0][: len(lines[0]) - len(lines[0].lstrip(" \t\f"))]
    cut = []
    for number, line in enumerate(lines, first):
        # A comment, or a line in brackets, may begin further to the left than the first line.
        shared = "" if number in in_strings else commonprefix((margin, line))  # noqa: RUF071 - of characters
        cut.append(line.removeprefix(shared))
    return "".join(cut)
