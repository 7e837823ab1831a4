r"""Find the longest common subsequence (LCS) of two programs' lines, and the error region outside of it, D-.

`difflib` matches blocks greedily, and finds fewer common lines.

A line ends at LF, CRLF or CR and nowhere else, as in Python's own reader (`str.splitlines` would also break strings
at form feeds and Unicode separators). Lines are compared without their ends, so neither a file's convention nor a
missing last newline is a difference; every other character counts, indentation and trailing blanks included.

How lines become characters. Later, a token belongs to D- when it shares any character with a span, so a span must not
reach for characters that a neighboring line's tokens are made of:

- Adjacent lines of D- are one span, the line ends between them included.
- A span starts at the start of its first line with text, indentation included: lines may differ in it alone.
  (A tokenizer that joins a line end to the next indentation makes that one token part of D-; it does decide the
  indentation.)
- A span ends after the last visible character of its last line with text. Trailing blanks and the line end stay
  outside, because many tokenizers join them to the indentation of the line that follows.
- A line without any text adds no span, and lines without text at either end of a run are left out: their only
  characters belong to their neighbors' tokens. A D- of such lines alone is therefore empty, as after an insertion.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from iterpref_core.records import Span

_LINE = re.compile(r"(?=[\s\S])([^\r\n]*)(?:\r\n|\n|\r|\Z)")


@dataclass(frozen=True)
class LineDiff:
    """The line diff of a failing and a passing program: line indices from 0, each in ascending order.

    Attributes:
        rejected: the failing program's lines outside the LCS, D-.
        chosen: the passing program's lines outside the LCS, D+.
        matches: the pairs (index in rejected, index in chosen) of the LCS.
    """

    rejected: tuple[int, ...]
    chosen: tuple[int, ...]
    matches: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ErrorRegion:
    """The error region of a pair, as character spans.

    Attributes:
        rejected: D- in the failing program.
        chosen: its counterpart D+ in the passing program.
        anchors: for fixes that insert, the text of the failing program where the lines are inserted. The
            anchors can replace a D- without text.
    """

    rejected: tuple[Span, ...]
    chosen: tuple[Span, ...]
    anchors: tuple[Span, ...] = ()


def line_spans(text: str) -> list[Span]:
    r"""Return the character offsets of the lines, without their ends.

    >>> line_spans("a = 1\r\nb = 2")
    [(0, 5), (7, 12)]
    """
    return [line.span(1) for line in _LINE.finditer(text)]


def split_lines(text: str) -> list[str]:
    """Return the lines of a text without their ends; none for an empty text."""
    return _LINE.findall(text)


def span_lines(text: str, lines: Sequence[int]) -> tuple[Span, ...]:
    """Return the character spans of the given lines (ascending, from 0) by the rules above."""
    bounds = line_spans(text)
    spans = []
    for run in adjacent_runs(lines):
        visible = []
        for line in run:
            start, end = bounds[line]
            if text[start:end].strip():
                visible.append((start, end))
        if visible:
            start = visible[0][0]
            end = visible[-1][1]
            spans.append((start, start + len(text[start:end].rstrip())))
    return tuple(spans)


def anchor_lines(text: str, positions: Iterable[int]) -> tuple[Span, ...]:
    """Return the span of the first line with text from each place (a line, from 0) on, else of the last one."""
    lines_with_text = []
    for number, (start, end) in enumerate(line_spans(text)):
        if text[start:end].strip():
            lines_with_text.append(number)
    if not lines_with_text:
        return ()
    last = len(lines_with_text) - 1
    anchors = set()
    for position in positions:
        following = bisect_left(lines_with_text, position)
        anchors.add(lines_with_text[min(following, last)])
    return span_lines(text, sorted(anchors))


def count_lines(text: str, spans: Iterable[Span]) -> int:
    """Return the number of lines whose visible text overlaps a span; several spans of a line count once."""
    lines = set()
    for start, end in spans:
        for first, last in line_spans(text):
            if text[max(start, first) : min(end, last)].strip():
                lines.add(first)
    return len(lines)


def adjacent_runs(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Yield the runs of consecutive numbers in an ascending sequence.

    >>> list(adjacent_runs([1, 2, 5, 6, 9]))
    [[1, 2], [5, 6], [9]]
    """
    # Within a run, a number minus its place is constant: 1-0, 2-1 | 5-2, 6-3 | 9-4.
    for _, run in groupby(enumerate(numbers), key=lambda item: item[1] - item[0]):
        yield [number for _, number in run]


def diff_lines(rejected: str, chosen: str) -> LineDiff:
    r"""Return the lines of two programs outside their line LCS: the paper's error region D-, and its counterpart D+.

    >>> diff_lines("a\nb\nc\n", "a\nx\nc\ny\n")
    LineDiff(rejected=(1,), chosen=(1, 3), matches=((0, 0), (2, 2)))
    """
    rejected_lines = split_lines(rejected)
    chosen_lines = split_lines(chosen)
    return _diff_outside(match_lines(rejected_lines, chosen_lines), rejected_lines, chosen_lines)


def diff_ends(rejected: str, chosen: str) -> LineDiff:
    r"""Return the lines between the longest common beginning and, in the rest, the longest common end.

    One local fix is found as by the LCS. Two fixes that are far apart drag in all the right lines between them.

    >>> diff_ends("a\nx\nb\ny\nc\n", "a\nX\nb\nY\nc\n")
    LineDiff(rejected=(1, 2, 3), chosen=(1, 2, 3), matches=((0, 0), (4, 4)))
    """
    rejected_lines = split_lines(rejected)
    chosen_lines = split_lines(chosen)
    beginning, end = _match_ends(rejected_lines, chosen_lines)
    return _diff_outside(beginning + end, rejected_lines, chosen_lines)


def _diff_outside(
    matches: Sequence[tuple[int, int]],
    rejected_lines: Sequence[str],
    chosen_lines: Sequence[str],
) -> LineDiff:
    """Return the lines of two programs that are in no match: index pairs of equal lines, both ascending."""
    kept_rejected = {i for i, _ in matches}
    kept_chosen = {j for _, j in matches}
    return LineDiff(
        rejected=tuple(i for i in range(len(rejected_lines)) if i not in kept_rejected),
        chosen=tuple(j for j in range(len(chosen_lines)) if j not in kept_chosen),
        matches=tuple(matches),
    )


def locate_error(
    rejected: str,
    chosen: str,
    diff: Callable[[str, str], LineDiff] = diff_lines,
) -> ErrorRegion:
    r"""Return the error region of a failing program.

    For each run of inserted lines with text, the anchor is the first line with text after the place where they belong:
    the model wrote that line instead of them, so its first token is the first wrong one. If no text follows, the anchor
    is the last line with text. There are no anchors if only blank lines were inserted, or if the failing program has no
    text.

    Args:
        rejected: the failing program.
        chosen: the passing program.
        diff: decides which lines the two programs share; `diff_ends` is the ablation `prefix_suffix` of the paper.

    >>> rejected = "def f(x):\n    return x\n"
    >>> region = locate_error(rejected, "def f(x):\n    y = x\n    return -y\n")
    >>> [rejected[start:end] for start, end in region.rejected]
    ['    return x']
    >>> [rejected[start:end] for start, end in locate_error(rejected, "def f(x):\n    x += 1\n    return x\n").anchors]
    ['    return x']
    """
    difference = diff(rejected, chosen)
    counterparts = {}
    for i, j in difference.matches:
        counterparts[j] = i
    positions = []
    # The line of `rejected` that a line inserted here would come before.
    position = 0
    for number, line in enumerate(split_lines(chosen)):
        if number in counterparts:
            position = counterparts[number] + 1
        elif line.strip():
            positions.append(position)
    return ErrorRegion(
        rejected=span_lines(rejected, difference.rejected),
        chosen=span_lines(chosen, difference.chosen),
        anchors=anchor_lines(rejected, positions),
    )


def match_lines(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return a longest common subsequence of two sequences, as ascending index pairs.

    Where several are longest: first the common prefix is matched, then the common suffix of the rest; between
    them, from the last match to the first, each match takes the earliest element of `a`, and then of `b`, that any
    longest subsequence allows.

    >>> match_lines("xaby", "xbay")
    [(0, 0), (1, 2), (3, 3)]
    """
    beginning, end = _match_ends(a, b)
    first = len(beginning)
    middle_of_a = a[first : len(a) - len(end)]
    middle_of_b = b[first : len(b) - len(end)]
    middle = [(first + i, first + j) for i, j in _match_middle(middle_of_a, middle_of_b)]
    return beginning + middle + end


def _match_ends(a: Sequence[str], b: Sequence[str]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return index pairs of the longest common prefix of two sequences and, in the rest, the longest common suffix.

    >>> _match_ends("abxcab", "abcab")
    ([(0, 0), (1, 1)], [(3, 2), (4, 3), (5, 4)])
    """
    shorter = min(len(a), len(b))
    prefix = 0
    while prefix < shorter and a[prefix] == b[prefix]:
        prefix += 1
    rest = shorter - prefix
    suffix = 0
    while suffix < rest and a[-1 - suffix] == b[-1 - suffix]:
        suffix += 1
    beginning = [(k, k) for k in range(prefix)]
    end = [(len(a) - k, len(b) - k) for k in range(suffix, 0, -1)]
    return beginning, end


def _match_middle(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return the LCS by walking back through the table of prefix lengths L[i][j] = |LCS(a[:i], b[:j])|.

    Column j of the table is one integer: bit i - 1 is 0 if L[i][j] exceeds L[i - 1][j], else 1.
    """
    # For a = "ab" and b = "ba" the table and its columns are
    #
    #             j = 0   j = 1 (b)   j = 2 (ba)
    #   i = 0       0       0           0
    #   i = 1 (a)   0       0           1
    #   i = 2 (ab)  0       1           1
    #   column     11      01          10        (bit 0, for i = 1, on the right)
    #
    # The walk starts at the lower right. Bit 1 of column 2 is 1: row 2 does not add to row 1, so i becomes 1. Bit 0
    # of column 2 is 0: a[0] counts here. Column 1 has it as 1, so b[1] makes the difference: (0, 1) is a match.
    columns = _length_columns(a, b)
    matches = []
    i = len(a)
    j = len(b)
    while i and j:
        row = i - 1
        an_earlier_element_does = columns[j] >> row & 1  # L[i][j] == L[i - 1][j]
        if an_earlier_element_does:
            i -= 1
            continue
        j -= 1
        last_element_was_needed = columns[j] >> row & 1  # L[i][j + 1] == L[i][j] + 1
        if last_element_was_needed:
            i -= 1
            matches.append((i, j))
    matches.reverse()
    return matches


def _length_columns(a: Sequence[str], b: Sequence[str]) -> list[int]:
    """Compute columns 0..len(b) of the length table by bit-parallel dynamic programming, len(a) cells an operation.

    Source: Hyyrö, "Bit-parallel LCS-length computation revisited" (2004).
    """
    positions: defaultdict[str, int] = defaultdict(int)
    for i, line in enumerate(a):
        positions[line] |= 1 << i
    everything = (1 << len(a)) - 1
    column = everything
    columns = [column]
    for line in b:
        hits = column & positions.get(line, 0)
        column = ((column + hits) | (column - hits)) & everything
        columns.append(column)
    return columns
