"""Diff-Augmentation, an ablation of the paper: error regions with some of the lines around them."""

from bisect import bisect_right
from random import Random

from iterpref_core.records import Span, line_spans
from iterpref_core.source_code.line_diff import span_lines


def widen_spans(text: str, spans: tuple[Span, ...], max_lines: int, random: Random) -> tuple[Span, ...]:
    r"""Add 1 to `max_lines` lines before each span and 1 to `max_lines` after it, as the authors' code does with 2.

    Args:
        text: the failing program.
        spans: its error region.
        max_lines: at least 1.
        random: draws how many.

    Returns:
        Whole lines, by the rules of `line_lcs`.

    >>> text = "a = 1\nb = 2\nc = 3\nd = 4\n"
    >>> [text[start:end] for start, end in widen_spans(text, ((12, 17),), 1, Random(0))]
    ['b = 2\nc = 3\nd = 4']
    """
    starts = [start for start, _ in line_spans(text)]
    lines: set[int] = set()
    for start, end in spans:
        first, last = (bisect_right(starts, place) - 1 for place in (start, max(start, end - 1)))
        before, after = random.randint(1, max_lines), random.randint(1, max_lines)
        lines.update(range(max(first - before, 0), min(last + after + 1, len(starts))))
    return span_lines(text, sorted(lines))
