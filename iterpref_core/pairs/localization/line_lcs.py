"""Line-LCS localization, the paper's: D- is the failing program's lines outside the line LCS with the passing one."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from iterpref_core.programs.source_code.line_diff import LineDiff, diff_lines, span_lines
from iterpref_core.programs.source_code.lines import line_spans
from iterpref_core.records import FocalSpans, PreferencePair, Span


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
        diff: decides which lines the two programs share.

    >>> rejected = "def f(x):\n    return x\n"
    >>> region = locate_error(rejected, "def f(x):\n    y = x\n    return -y\n")
    >>> [rejected[start:end] for start, end in region.rejected]
    ['    return x']
    >>> [rejected[start:end] for start, end in locate_error(rejected, "def f(x):\n    x += 1\n    return x\n").anchors]
    ['    return x']
    """
    difference = diff(rejected, chosen)
    counterparts = {j: i for i, j in difference.matches}
    positions = []
    # The line of `rejected` that a line inserted here would come before.
    position = 0
    for number, (start, end) in enumerate(line_spans(chosen)):
        if number in counterparts:
            position = counterparts[number] + 1
        elif chosen[start:end].strip():
            positions.append(position)
    return ErrorRegion(
        rejected=span_lines(rejected, difference.rejected),
        chosen=span_lines(chosen, difference.chosen),
        anchors=anchor_lines(rejected, positions),
    )


def anchor_lines(text: str, positions: Iterable[int]) -> tuple[Span, ...]:
    """Return the spans of the first line with text from each place (a line, from 0) on, or of the last such line."""
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


def differing_lines(pair: PreferencePair) -> FocalSpans:
    """Return every line outside the line LCS, whole, to mark in a pair that has no spans of its own."""
    diff = diff_lines(pair.rejected, pair.chosen)
    rejected = line_spans(pair.rejected)
    chosen = line_spans(pair.chosen)
    return FocalSpans(
        task_id=pair.task_id,
        method="line_lcs",
        rejected=tuple(rejected[i] for i in diff.rejected),
        chosen=tuple(chosen[j] for j in diff.chosen),
    )
