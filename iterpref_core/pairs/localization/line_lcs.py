"""Line-LCS localization, the paper's: D- is the failing program's lines outside the line LCS with the passing one."""

from collections.abc import Callable
from dataclasses import dataclass

from iterpref_core.programs.source_code.line_diff import LineDiff, anchor_lines, diff_lines, span_lines, split_lines
from iterpref_core.records import Span


@dataclass(frozen=True)
class ErrorRegion:
    """The error region of a pair, as character spans.

    Attributes:
        rejected: D- in the failing program.
        chosen: its counterpart D+ in the passing program.
        anchors: for fixes that insert, the text of the failing program that stands in the place of the insertion. The
            anchors can stand in for a D- without text.
    """

    rejected: tuple[Span, ...]
    chosen: tuple[Span, ...]
    anchors: tuple[Span, ...] = ()


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
