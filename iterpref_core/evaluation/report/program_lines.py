"""Program lines: a program cut at line ends, at the edges of its error region, and at those of its tokens.

Tokens do not respect lines: one may hold a line end and the indentation after it. Nor do they respect characters: of a
character of several bytes each byte may be a token of its own. Tokens that share a character are therefore shown as
one, and line ends are drawn where a token has them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from iterpref_core.programs.source_code.lines import line_spans
from iterpref_core.records import PairShifts, Span, TokenShift

LEVELS = 4
"""The number of steps of color on either side of no color."""
SCALES = (0.4, 0.8, 2.0, 4.0, 8.0, 20.0, 40.0)
"""The changes, in nats, at which the strongest color may begin."""
COVERED = 0.95
"""The share of the tokens that a scale must reach."""
GLYPHS = {"\n": "↵", "\r": "←"}
END_GLYPH = "■"


@dataclass(frozen=True)
class ShownToken:
    """Tokens that are shown as one, because they share a character.

    Attributes:
        start: the first character.
        end: the character behind the last one.
        before: the sum of their log-probabilities before training, nats.
        after: the same after training.
        count: the number of tokens.
        region_change: the sum of changes of those tokens that are in the region; None if none is.
    """

    start: int
    end: int
    before: float
    after: float
    count: int
    region_change: float | None

    @property
    def change(self) -> float:
        """The sum of log pi_after - log pi_before, nats."""
        return self.after - self.before

    @property
    def note(self) -> str:
        """The exact numbers, in words."""
        in_brackets = f"log π {self.before:.3f} before, {self.after:.3f} after"
        if self.count > 1:
            in_brackets += f", {self.count} tokens"
        if self.region_change is not None:
            in_brackets += ", in D−"
        numbers = f"{self.change:+.3f} nats ({in_brackets})"
        return numbers.replace("-", "−")


@dataclass(frozen=True)
class Piece:
    """A stretch of a line.

    Attributes:
        text: the characters.
        marked: True in the region.
        token: the token that the stretch belongs to; None without tokens.
        glyph: True if the text is a sign for an invisible character.
        first: True for the first piece of its token.
    """

    text: str
    marked: bool
    token: ShownToken | None = None
    glyph: bool = False
    first: bool = False


@dataclass(frozen=True)
class ProgramLine:
    """A line of a program.

    Attributes:
        number: the line's number, from 1.
        marked: True if the line lies in the region, even if the line has no character to mark.
        pieces: the line's text in order.
        change: the sum of the tokens' changes that `cut_lines` describes, in nats; None without tokens.
    """

    number: int
    marked: bool
    pieces: tuple[Piece, ...]
    change: float | None

    @property
    def indent(self) -> int:
        """Return the columns of blanks at the line's beginning, with tab stops at multiples of four."""
        text = "".join(piece.text for piece in self.pieces if not piece.glyph).expandtabs(4)
        return len(text) - len(text.lstrip(" "))


def cut_lines(
    text: str,
    spans: Sequence[Span],
    tokens: Sequence[TokenShift] | None = None,
    *,
    penalized: bool = False,
) -> list[ProgramLine]:
    r"""Cut a program into lines, and every line at the edges of spans and tokens.

    A line is marked when a span covers any of its characters, its line end included. An empty line has none to
    cover where spans leave line ends out; there a span without width marks it.

    Args:
        text: the program.
        spans: the program's region, as characters.
        tokens: each token's change in training, in order; the end of a long program may lack tokens.
        penalized: True for y-, of which only the region counts (K-). A marked line's `change` is then that of its
            tokens in the region, so that the marked lines add up to K-. Otherwise a line's `change` is that of all
            tokens that begin in the line, so that all lines add up to K+.

    >>> [[(p.text, p.marked) for p in line.pieces] for line in cut_lines("a = 1\nb = 2\n", [(4, 5)])]
    [[('a = ', False), ('1', True)], [('b = 2', False)]]
    """
    shown = _join_overlapping(tokens or (), spans)
    bounds = line_spans(text)
    if tokens and not bounds:
        # An empty program has an end token, which needs a line to stand in.
        bounds = [(0, 0)]
    lines: list[ProgramLine] = []
    counted: set[int] = set()
    for number, line in enumerate(bounds, start=1):
        # A line's pieces end with the line; the next line's beginning tells where its line end ends.
        last = number == len(bounds)
        following = len(text) if last else bounds[number][0]
        pieces = list(_cut_line(text, line, following, spans, shown))
        # The end token stands behind the program, and has no character of it: a sign stands for it.
        if last and shown and shown[-1].start == len(text):
            pieces.append(Piece(END_GLYPH, marked=False, token=shown[-1], glyph=True, first=True))
        marked = _is_marked(line, following, spans)
        change = None
        if tokens is not None and penalized and marked:
            change = _region_change(pieces, counted)
        elif tokens is not None:
            change = _begun_change(pieces, without_region=penalized)
        lines.append(ProgramLine(number, marked, tuple(pieces), change))
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


def choose_scale(pairs: Iterable[PairShifts]) -> float:
    """Return the change at which the strongest color begins: the smallest of `SCALES` that reaches 95% of the tokens.

    >>> choose_scale([])
    0.4
    """
    sizes = []
    for pair in pairs:
        for token in (*pair.chosen, *pair.rejected):
            sizes.append(abs(token.change))
    if not sizes:
        return SCALES[0]
    sizes.sort()
    # Of 101 tokens the 96th: the few largest changes would leave the others without color.
    index = int(COVERED * (len(sizes) - 1))
    for scale in SCALES:
        if scale >= sizes[index]:
            return scale
    return SCALES[-1]


def level(change: float, scale: float) -> int:
    """Return the step of color, from -LEVELS (less likely) over 0 to LEVELS (more likely).

    >>> [level(change, 2.0) for change in (-9.0, -0.5, 0.1, 1.1)]
    [-4, -1, 0, 2]
    """
    step = round(LEVELS * change / scale)
    return max(-LEVELS, min(LEVELS, step))


def _begun_change(pieces: Sequence[Piece], without_region: bool) -> float:
    """Sum the changes of the tokens that begin in a line, those of the region left out if that is asked for."""
    change = 0.0
    for piece in pieces:
        if piece.token is None or not piece.first:
            continue
        in_region = piece.token.region_change is not None
        if not (without_region and in_region):
            change += piece.token.change
    return change


def _region_change(pieces: Sequence[Piece], counted: set[int]) -> float:
    """Sum the changes of the region's tokens in a line, except those that an earlier line has counted."""
    # A token over the end of a line, such as ")\n    ", has a piece in both lines, and counts in the first one.
    change = 0.0
    for piece in pieces:
        if piece.token is None or id(piece.token) in counted:
            continue
        change += piece.token.region_change or 0.0
        counted.add(id(piece.token))
    return change


def _touches(token: TokenShift, spans: Sequence[Span]) -> bool:
    """Return True if a token shares a character with a span."""
    return any(max(token.start, first) < min(token.end, last) for first, last in spans)


def _join_overlapping(tokens: Sequence[TokenShift], spans: Sequence[Span]) -> list[ShownToken]:
    """Join tokens that share a character; a token without characters goes with the token after it."""
    # "é" as two bytes is two tokens at the same character: they are shown as one, with the sum of their changes.
    groups: list[list[TokenShift]] = []
    waiting: list[TokenShift] = []
    for token in tokens:
        waiting.append(token)
        has_characters = token.start < token.end
        if not has_characters:
            continue
        if groups and token.start < max(earlier.end for earlier in groups[-1]):
            groups[-1] += waiting
        else:
            groups.append(waiting)
        waiting = []
    if waiting:
        groups.append(waiting)
    return [_merge(group, spans) for group in groups]


def _merge(tokens: Sequence[TokenShift], spans: Sequence[Span]) -> ShownToken:
    placed = [token for token in tokens if token.start < token.end]
    if not placed:
        # The end token alone: it has a place, and no character.
        placed = [tokens[-1]]
    in_region = any(_touches(token, spans) for token in tokens)
    return ShownToken(
        start=min(token.start for token in placed),
        end=max(token.end for token in placed),
        before=sum(token.before for token in tokens),
        after=sum(token.after for token in tokens),
        count=len(tokens),
        region_change=sum_changes(tokens, spans) if in_region else None,
    )


def _cut_line(
    text: str,
    line: Span,
    following: int,
    spans: Sequence[Span],
    shown: Sequence[ShownToken],
) -> Iterator[Piece]:
    """Yield the pieces of a line, then a glyph for every character of its end that a token has."""
    start, end = line
    edges: set[int] = set()
    for span in spans:
        edges.update(span)
    for token in shown:
        edges.update((token.start, token.end))
    edges_inside = {edge for edge in edges if start < edge < end}
    cuts = sorted({start, end} | edges_inside)
    for first, last in pairwise(cuts):
        marked = any(span_start <= first and last <= span_end for span_start, span_end in spans)
        holder = _token_at(shown, first)
        begins_here = holder is not None and holder.start == first
        yield Piece(
            text[first:last],
            marked=marked,
            token=holder,
            first=begins_here,
        )
    for position in range(end, following):
        holder = _token_at(shown, position)
        if holder is not None:
            glyph = GLYPHS[text[position]]
            yield Piece(
                glyph,
                marked=False,
                token=holder,
                glyph=True,
                first=holder.start == position,
            )


def _token_at(shown: Sequence[ShownToken], position: int) -> ShownToken | None:
    """Return the token that holds a character, if there is one."""
    begun = bisect_right(shown, position, key=lambda token: token.start)
    if begun == 0:
        return None
    last_begun = shown[begun - 1]
    return last_begun if position < last_begun.end else None
