"""Prefix-suffix localization, an ablation of the paper: D- is every line between the common beginning and end.

One local fix is found as by the LCS. Two fixes that are far apart drag in all the right lines between them.
"""

from functools import partial

from iterpref_core.pairs.localization import line_lcs
from iterpref_core.programs.source_code.line_diff import LineDiff, diff_outside, match_ends
from iterpref_core.programs.source_code.lines import split_lines


def diff_between(rejected: str, chosen: str) -> LineDiff:
    r"""Return the lines between the longest common beginning and, in the rest, the longest common end.

    >>> diff_between("a\nx\nb\ny\nc\n", "a\nX\nb\nY\nc\n")
    LineDiff(rejected=(1, 2, 3), chosen=(1, 2, 3), matches=((0, 0), (4, 4)))
    """
    a = split_lines(rejected)
    b = split_lines(chosen)
    beginning, end = match_ends(a, b)
    return diff_outside(beginning + end, a, b)


locate_error = partial(line_lcs.locate_error, diff=diff_between)
