"""Prefix-suffix localization, an ablation of the paper: D- is every line between the common beginning and end.

One local fix is found as by the LCS. Two fixes that are far apart drag in all the right lines between them.
"""

from functools import partial

from iterpref_core.localization import line_lcs
from iterpref_core.records import split_lines
from iterpref_core.source_code.line_diff import LineDiff


def diff_between(rejected: str, chosen: str) -> LineDiff:
    r"""Return the lines between the longest common beginning and, in the rest, the longest common end.

    >>> diff_between("a\nx\nb\ny\nc\n", "a\nX\nb\nY\nc\n")
    LineDiff(rejected=(1, 2, 3), chosen=(1, 2, 3), matches=((0, 0), (4, 4)))
    """
    a = split_lines(rejected)
    b = split_lines(chosen)
    shorter = min(len(a), len(b))
    start = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    end = next((i for i in range(shorter - start) if a[-1 - i] != b[-1 - i]), shorter - start)
    matches = [(i, i) for i in range(start)]
    matches += [(len(a) - i, len(b) - i) for i in range(end, 0, -1)]
    return LineDiff(
        rejected=tuple(range(start, len(a) - end)),
        chosen=tuple(range(start, len(b) - end)),
        matches=tuple(matches),
    )


locate_error = partial(line_lcs.locate_error, diff=diff_between)
