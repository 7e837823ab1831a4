"""Program lines: a program cut at line ends, at the edges of its error region, and at those of its tokens.

Tokens do not respect lines: one may hold a line end and the indentation after it. Nor do they respect characters: of a
character of several bytes each byte may be a token of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from iterpref_core.programs.source_code.line_diff import line_spans
from iterpref_core.records import PairShifts, Span, TokenShift

LEVELS = 4
"""The number of steps of color on either side of no color."""
LEAST_SCALE = 0.4
"""The smallest change, in nats, at which the strongest color may begin."""
COVERED = 0.95
"""The share of the tokens that a scale must reach."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a line.

    Attributes:
        text: the characters.
        marked: True in the region.
        change: the sum of the changes of the tokens that hold the stretch, in nats; None without tokens.
    """

    text: str
    marked: bool
    change: float | None = None


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


def cut_lines(text: str, spans: Sequence[Span], tokens: Sequence[TokenShift] = ()) -> list[ProgramLine]:
    r"""Cut a program into lines, and every line at the edges of spans and tokens.

    A line is marked when a span covers any of its characters, its line end included. An empty line has none to
    cover where spans leave line ends out; there a span without width marks it.

    Args:
        text: the program.
        spans: the program's region, as characters.
        tokens: each token's change in training, in order; the end of a long program may lack tokens.

    >>> [[(p.text, p.marked) for p in line.pieces] for line in cut_lines("a = 1\nb = 2\n", [(4, 5)])]
    [[('a = ', False), ('1', True)], [('b = 2', False)]]
    """
    inside: set[int] = set()
    for first, last in spans:
        inside.update(range(first, last))
    # Of "é" as two tokens of one byte each, both hold the one character.
    holders: dict[int, tuple[TokenShift, ...]] = {}
    for token in tokens:
        for position in range(token.start, token.end):
            holders[position] = (*holders.get(position, ()), token)

    def looks(position: int) -> tuple[bool, list[int]]:
        """Return what a character has in common with the others of its piece."""
        return position in inside, [id(token) for token in holders.get(position, ())]

    bounds = line_spans(text)
    lines = []
    for number, (start, end) in enumerate(bounds, start=1):
        # The next line's beginning tells where this one's line end ends.
        following = bounds[number][0] if number < len(bounds) else len(text)
        pieces = []
        for _, group in groupby(range(start, end), key=looks):
            positions = list(group)
            first = positions[0]
            held = holders.get(first)
            change = sum(token.change for token in held) if held else None
            pieces.append(Piece(text[first : positions[-1] + 1], first in inside, change))
        lines.append(ProgramLine(number, _is_marked((start, end), following, spans), tuple(pieces)))
    return lines


def _is_marked(line: Span, following: int, spans: Sequence[Span]) -> bool:
    """Return True if a span has a character of a line or of its line end, or has no width and stands in an empty line.

    Args:
        line: the line's characters.
        following: the first character behind the line and its line end.
        spans: the program's region.
    """
    start, end = line
    for first, last in spans:
        if first < following and last > start:
            return True
        if first == last == start == end:
            return True
    return False


def sum_changes(tokens: Iterable[TokenShift], spans: Sequence[Span] | None = None) -> float:
    """Sum log pi_after - log pi_before (nats) over all tokens, or over those that share a character with a span.

    With the model before training as the reference these are the paper's K+ (all tokens of y+) and K- (D- in y-).
    """
    if spans is None:
        return sum(token.change for token in tokens)
    return sum(token.change for token in tokens if _touches(token, spans))


def _touches(token: TokenShift, spans: Sequence[Span]) -> bool:
    """Return True if a token shares a character with a span."""
    return any(max(token.start, first) < min(token.end, last) for first, last in spans)


def choose_scale(pairs: Iterable[PairShifts]) -> float:
    """Return the change at which the strongest color begins: 95% of the tokens change by less.

    >>> choose_scale([])
    0.4
    """
    sizes = [0.0]
    for pair in pairs:
        for token in (*pair.chosen, *pair.rejected):
            sizes.append(abs(token.change))
    sizes.sort()
    # Of 101 tokens the 96th: the few largest changes would leave the others without color.
    index = int(COVERED * (len(sizes) - 1))
    return max(LEAST_SCALE, round(sizes[index], 1))


def level(change: float, scale: float) -> int:
    """Return the step of color, from -LEVELS (less likely) over 0 to LEVELS (more likely).

    >>> [level(change, 2.0) for change in (-9.0, -0.5, 0.1, 1.1)]
    [-4, -1, 0, 2]
    """
    step = round(LEVELS * change / scale)
    return max(-LEVELS, min(LEVELS, step))
