"""Cut a program at line ends and at the edges of its error region."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from iterpref_core.programs.source_code.line_diff import line_spans
from iterpref_core.records import Span


@dataclass(frozen=True)
class Piece:
    """A stretch of a line; `marked` is True in the region."""

    text: str
    marked: bool


@dataclass(frozen=True)
class ProgramLine:
    """A line of a program.

    Attributes:
        number: the line's number, from 1.
        marked: True if the line lies in the region, even if the line has no character to mark.
        pieces: the line's text in order.
    """

    number: int
    marked: bool
    pieces: tuple[Piece, ...]

    @property
    def indent(self) -> int:
        """Return the columns of blanks at the line's beginning, with tab stops at multiples of four."""
        text = "".join(piece.text for piece in self.pieces).expandtabs(4)
        return len(text) - len(text.lstrip(" "))


def cut_lines(text: str, spans: Sequence[Span]) -> list[ProgramLine]:
    r"""Cut a program into lines, and every line at the edges of spans.

    A line is marked when a span covers any of its characters, its line end included. An empty line has none to
    cover where spans leave line ends out; there a span without width marks it.

    Args:
        text: the program.
        spans: the program's region, as characters.

    >>> [[(p.text, p.marked) for p in line.pieces] for line in cut_lines("a = 1\nb = 2\n", [(4, 5)])]
    [[('a = ', False), ('1', True)], [('b = 2', False)]]
    """
    inside: set[int] = set()
    for first, last in spans:
        inside.update(range(first, last))
    bounds = line_spans(text)
    lines = []
    for number, (start, end) in enumerate(bounds, start=1):
        # The next line's beginning is where this line's end ends.
        following = bounds[number][0] if number < len(bounds) else len(text)
        pieces = []
        for in_region, positions in groupby(range(start, end), key=inside.__contains__):
            pieces.append(Piece("".join(text[position] for position in positions), in_region))
        # An empty span marks an empty line.
        marked = any((first < following and last > start) or first == last == start == end for first, last in spans)
        lines.append(ProgramLine(number, marked, tuple(pieces)))
    return lines
