"""Line diff: the longest common subsequence (LCS) of two programs' lines, what lies outside it, and its spans.

`difflib` is no substitute: it matches blocks greedily and so finds fewer common lines.

A line ends at LF, CRLF or CR and nowhere else, as in Python's own reader (`str.splitlines` would also break strings
at form feeds and Unicode separators). Lines are compared without their ends, so neither a file's convention nor a
missing last newline is a difference; every other character counts, indentation and trailing blanks included.

How lines become characters. Later, a token belongs to D- when it shares any character with a span, so a span must not
reach for characters that a neighboring line's tokens are made of:

- Adjacent lines of D- are one span, the line ends between them included.
- A span starts at the start of its first line with text, indentation included: a line may differ in nothing else.
  (A tokenizer that joins a line end to the next indentation makes that one token part of D-; it does decide the
  indentation.)
- A span ends after the last visible character of its last line with text. Trailing blanks and the line end stay
  outside, because many tokenizers join them to the indentation of the line that follows.
- A line without any text adds no span, and lines without text at either end of a run are left out: their only
  characters belong to their neighbors' tokens. A D- of nothing else is therefore as empty as that of an insertion.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from iterpref_core.records import Span, line_spans, split_lines


@dataclass(frozen=True)
class LineDiff:
    """Line indices, from 0, of a failing and a passing program, each in ascending order.

    `rejected` and `chosen` are the lines outside the LCS: D- and its counterpart D+. `matches` are the pairs
    (index in rejected, index in chosen) inside it.
    """

    rejected: tuple[int, ...]
    chosen: tuple[int, ...]
    matches: tuple[tuple[int, int], ...]


def span_lines(text: str, lines: Sequence[int]) -> tuple[Span, ...]:
    """Character spans of the given lines (ascending, from 0) by the rules above."""
    bounds = line_spans(text)
    spans = []
    for _, run in groupby(enumerate(lines), key=lambda item: item[1] - item[0]):
        visible = [bounds[line] for _, line in run if text[slice(*bounds[line])].strip()]
        if visible:
            start, end = visible[0][0], visible[-1][1]
            spans.append((start, start + len(text[start:end].rstrip())))
    return tuple(spans)


def diff_lines(rejected: str, chosen: str) -> LineDiff:
    r"""The paper's error region D- of a pair, the lines of `rejected` outside the line LCS, and those of `chosen`.

    >>> diff_lines("a\nb\nc\n", "a\nx\nc\ny\n")
    LineDiff(rejected=(1,), chosen=(1, 3), matches=((0, 0), (2, 2)))
    """
    lines, others = split_lines(rejected), split_lines(chosen)
    matches = match_lines(lines, others)
    kept, kept_others = {i for i, _ in matches}, {j for _, j in matches}
    return LineDiff(
        rejected=tuple(i for i in range(len(lines)) if i not in kept),
        chosen=tuple(j for j in range(len(others)) if j not in kept_others),
        matches=tuple(matches),
    )


def match_lines(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """A longest common subsequence of two sequences, as ascending index pairs.

    Where several are longest: first the common prefix is matched, then the common suffix of what remains; between
    them, from the last match to the first, each match takes the earliest element of `a`, and then of `b`, that any
    longest subsequence allows.

    >>> match_lines("xaby", "xbay")
    [(0, 0), (1, 2), (3, 3)]
    """
    shorter = min(len(a), len(b))
    prefix = 0
    while prefix < shorter and a[prefix] == b[prefix]:
        prefix += 1
    suffix = 0
    while suffix < shorter - prefix and a[-1 - suffix] == b[-1 - suffix]:
        suffix += 1
    middle = _match_middle(a[prefix : len(a) - suffix], b[prefix : len(b) - suffix])
    return (
        [(k, k) for k in range(prefix)]
        + [(prefix + i, prefix + j) for i, j in middle]
        + [(len(a) - k, len(b) - k) for k in range(suffix, 0, -1)]
    )


def _match_middle(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """The LCS by walking back through the table of prefix lengths L[i][j] = |LCS(a[:i], b[:j])|.

    Column j of the table is one integer: bit i - 1 is 0 where L[i][j] exceeds L[i - 1][j].
    """
    columns = _length_columns(a, b)
    matches = []
    i, j = len(a), len(b)
    while i and j:
        if columns[j] >> (i - 1) & 1:  # L[i][j] == L[i - 1][j]: an earlier element of a does as well
            i -= 1
            continue
        j -= 1
        if columns[j] >> (i - 1) & 1:  # L[i][j] == L[i][j - 1] + 1: a[i - 1] and b[j] make the difference
            i -= 1
            matches.append((i, j))
    return matches[::-1]


def _length_columns(a: Sequence[str], b: Sequence[str]) -> list[int]:
    """Columns 0..len(b) of the length table by bit-parallel dynamic programming, len(a) cells per operation.

    Hyyrö, "Bit-parallel LCS-length computation revisited" (2004).
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
