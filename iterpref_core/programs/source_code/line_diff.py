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
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from iterpref_core.records import Span

_LINE = re.compile(r"(?=[\s\S])([^\r\n]*)(?:\r\n|\n|\r|\Z)")

# The index pairs of equal items of two sequences, both ascending.
Matches = list[tuple[int, int]]


class Unit(NamedTuple):
    """A line or a token of a program.

    Attributes:
        text: the text that is compared.
        span: its characters in the program that a region may include; empty for a blank line.
    """

    text: str
    span: Span


class LineDiff(NamedTuple):
    """The lines outside the LCS of a failing and a passing program, D- and D+: ascending indices from 0."""

    rejected: list[int]
    chosen: list[int]


class ErrorRegion(NamedTuple):
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


def line_units(text: str) -> list[Unit]:
    """Return the lines of a program; a line's span leaves its trailing blanks out."""
    return [Unit(line[1], (line.start(), line.start() + len(line[1].rstrip()))) for line in _LINE.finditer(text)]


def join_spans(units: Sequence[Unit], numbers: Iterable[int]) -> tuple[Span, ...]:
    """Return the spans of the units of these indices (ascending); neighbors are one span with the blanks between."""
    spans = []
    # Within a run, an index minus its place is constant: 1-0, 2-1 | 5-2, 6-3 | 9-4.
    for _, run in groupby(enumerate(numbers), key=lambda item: item[1] - item[0]):
        chosen = [units[number] for _, number in run]
        visible = [unit.span for unit in chosen if _is_visible(unit)]
        if visible:
            start, _ = visible[0]
            _, end = visible[-1]
            spans.append((start, end))
    return tuple(spans)


def _is_visible(unit: Unit) -> bool:
    start, end = unit.span
    return start < end


def count_lines(text: str, spans: Iterable[Span]) -> int:
    """Return the number of lines whose visible text overlaps a span; several spans of a line count once."""
    every = line_spans(text)
    starts = [first for first, _ in every]
    lines = set()
    for start, end in spans:
        # From the line that holds the start to the last one that begins before the end.
        for first, last in every[max(bisect_right(starts, start) - 1, 0) : bisect_left(starts, end)]:
            if text[max(start, first) : min(end, last)].strip():
                lines.add(first)
    return len(lines)


def match_lines(a: Sequence[str], b: Sequence[str]) -> Matches:
    """Return a longest common subsequence of two sequences, as ascending index pairs.

    Where several are longest: first the common prefix is matched, then the common suffix of the rest; between
    them, from the last match to the first, each match takes the earliest element of `a`, and then of `b`, that any
    longest subsequence allows.

    >>> match_lines("xaby", "xbay")
    [(0, 0), (1, 2), (3, 3)]
    """
    prefix, suffix = _common_ends(a, b)
    ends = match_ends(a, b)
    middle = _match_middle(a[prefix : len(a) - suffix], b[prefix : len(b) - suffix])
    return ends[:prefix] + [(prefix + i, prefix + j) for i, j in middle] + ends[prefix:]


def match_ends(a: Sequence[str], b: Sequence[str]) -> Matches:
    """Return index pairs of the longest common prefix of two sequences and, in the rest, the longest common suffix.

    One local fix is found as by the LCS. Two fixes that are far apart drag in all the right lines between them.

    >>> match_ends("abxcab", "abcab")
    [(0, 0), (1, 1), (3, 2), (4, 3), (5, 4)]
    """
    prefix, suffix = _common_ends(a, b)
    return [(k, k) for k in range(prefix)] + [(len(a) - k, len(b) - k) for k in range(suffix, 0, -1)]


def _common_ends(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    """Return the lengths of the common prefix and, in the rest, of the common suffix."""
    shorter = min(len(a), len(b))
    prefix = 0
    while prefix < shorter and a[prefix] == b[prefix]:
        prefix += 1
    suffix = 0
    while suffix < shorter - prefix and a[-1 - suffix] == b[-1 - suffix]:
        suffix += 1
    return prefix, suffix


def _match_middle(a: Sequence[str], b: Sequence[str]) -> Matches:
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


def diff_lines(rejected: str, chosen: str) -> LineDiff:
    r"""Return the lines of two programs outside their line LCS: the paper's error region D-, and its counterpart D+.

    >>> diff_lines("a\nb\nc\n", "a\nx\nc\ny\n")
    LineDiff(rejected=[1], chosen=[1, 3])
    """
    a = split_lines(rejected)
    b = split_lines(chosen)
    return _outside(match_lines(a, b), len(a), len(b))


def _outside(matches: Matches, of_rejected: int, of_chosen: int) -> LineDiff:
    """Return the indices of two sequences of these lengths that are in no match."""
    kept_rejected = {i for i, _ in matches}
    kept_chosen = {j for _, j in matches}
    return LineDiff(
        rejected=[i for i in range(of_rejected) if i not in kept_rejected],
        chosen=[j for j in range(of_chosen) if j not in kept_chosen],
    )


def locate_error(
    rejected: str,
    chosen: str,
    split: Callable[[str], list[Unit]] = line_units,
    match: Callable[[Sequence[str], Sequence[str]], Matches] = match_lines,
) -> ErrorRegion:
    r"""Return the error region of a failing program.

    For each run of inserted units with text, the anchor is the first unit with text after the place where they belong:
    the model wrote that unit instead of them, so its first token is the first wrong one. If no text follows, the anchor
    is the last unit with text. There are no anchors if only blank lines were inserted, or if the failing program has no
    text.

    Args:
        rejected: the failing program.
        chosen: the passing program.
        split: cuts a program into lines or tokens.
        match: decides which units the two programs share: `match_lines`, or for the ablation `prefix_suffix` of the
            paper `match_ends`.

    >>> rejected = "def f(x):\n    return x\n"
    >>> region = locate_error(rejected, "def f(x):\n    y = x\n    return -y\n")
    >>> [rejected[start:end] for start, end in region.rejected]
    ['    return x']
    >>> [rejected[start:end] for start, end in locate_error(rejected, "def f(x):\n    x += 1\n    return x\n").anchors]
    ['    return x']
    """
    a = split(rejected)
    b = split(chosen)
    matches = match([unit.text for unit in a], [unit.text for unit in b])
    counterparts = {j: i for i, j in matches}
    visible = [number for number, unit in enumerate(a) if _is_visible(unit)]
    anchors = set()
    # The unit of `rejected` that a unit inserted here would come before.
    position = 0
    for number, unit in enumerate(b):
        if number in counterparts:
            position = counterparts[number] + 1
        elif visible and _is_visible(unit):
            following = bisect_left(visible, position)
            anchors.add(visible[min(following, len(visible) - 1)])
    outside = _outside(matches, len(a), len(b))
    return ErrorRegion(
        rejected=join_spans(a, outside.rejected),
        chosen=join_spans(b, outside.chosen),
        anchors=join_spans(a, sorted(anchors)),
    )
