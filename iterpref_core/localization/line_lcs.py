"""Line-LCS localization, the paper's: D- is the failing program's lines outside the line LCS with the passing one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from iterpref_core.records import FocalSpans, PreferencePair, Span, line_spans
from iterpref_core.source_code.line_diff import LineDiff, diff_lines, span_lines


@dataclass(frozen=True)
class ErrorRegion:
    """What is wrong in a failing program, as character spans.

    Attributes:
        rejected: D- in the failing program.
        chosen: its counterpart D+ in the passing one.
        anchors: where the fix inserts, what stands in that place in the failing program: a stand-in for a D- without
            text.
    """

    rejected: tuple[Span, ...]
    chosen: tuple[Span, ...]
    anchors: tuple[Span, ...] = ()


def locate_error(rejected: str, chosen: str, diff: Callable[[str, str], LineDiff] = diff_lines) -> ErrorRegion:
    r"""The error region of a failing program. `diff` decides which lines the two programs share.

    For each run of inserted lines with text, the anchor is the first line with text after the place where they belong:
    the line the model wrote instead of them, so its first token is the first wrong one. For an insertion at the end,
    where no text follows, it is the last line with text. No anchors if nothing but blank lines was inserted, or if the
    failing program has no text.

    >>> rejected = "def f(x):\n    return x\n"
    >>> region = locate_error(rejected, "def f(x):\n    y = x\n    return -y\n")
    >>> [rejected[start:end] for start, end in region.rejected]
    ['    return x']
    >>> [rejected[start:end] for start, end in locate_error(rejected, "def f(x):\n    x += 1\n    return x\n").anchors]
    ['    return x']
    """
    difference = diff(rejected, chosen)
    counterparts = {j: i for i, j in difference.matches}
    places = []
    place = 0  # the line of `rejected` that a line inserted here would come before
    for number, (start, end) in enumerate(line_spans(chosen)):
        if number in counterparts:
            place = counterparts[number] + 1
        elif chosen[start:end].strip():
            places.append(place)
    return ErrorRegion(
        span_lines(rejected, difference.rejected), span_lines(chosen, difference.chosen), anchor_lines(rejected, places)
    )


def anchor_lines(text: str, places: Iterable[int]) -> tuple[Span, ...]:
    """Spans of the first line with text from each place (a line, from 0) on; of the last one where none follows."""
    texts = [number for number, (start, end) in enumerate(line_spans(text)) if text[start:end].strip()]
    if not texts:
        return ()
    anchors = {next((line for line in texts if line >= place), texts[-1]) for place in places}
    return span_lines(text, sorted(anchors))


def differing_lines(pair: PreferencePair) -> FocalSpans:
    """Every line outside the line LCS, whole: what is marked of a pair that has no spans of its own."""
    diff = diff_lines(pair.rejected, pair.chosen)
    rejected, chosen = line_spans(pair.rejected), line_spans(pair.chosen)
    return FocalSpans(
        task_id=pair.task_id,
        method="line_lcs",
        rejected=tuple(rejected[i] for i in diff.rejected),
        chosen=tuple(chosen[j] for j in diff.chosen),
    )
