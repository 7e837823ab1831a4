"""Pair view as HTML, with the error region marked; and what the terminal's view shares with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from iterpref_core.records import FocalSpans, PairShifts, PreferencePair, Span, line_spans
from iterpref_core.report.token_colors import LEVELS, choose_scale, color_lines, level, sum_changes
from iterpref_core.storage.jsonl import atomic_writer


@dataclass(frozen=True)
class ProgramLine:
    """A line of a program. `marked`: it lies in the region, even where it has no character to mark.

    `segments` are its pieces in order, each with whether it is inside the region.
    """

    number: int
    marked: bool
    segments: tuple[tuple[str, bool], ...]


def mark_lines(text: str, spans: Sequence[Span]) -> list[ProgramLine]:
    r"""Cut a program into lines, and every line at the edges of the spans.

    A line is marked when a span covers any of its characters, its line end included. An empty line has none to
    cover where spans leave line ends out; there a span without width marks it.

    >>> [line.segments for line in mark_lines("a = 1\nb = 2\n", [(4, 5)])]
    [(('a = ', False), ('1', True)), (('b = 2', False),)]
    """
    bounds = line_spans(text)
    lines = []
    for number, (start, end) in enumerate(bounds, 1):
        following = bounds[number][0] if number < len(bounds) else len(text)
        inside = [(max(s, start), min(e, end)) for s, e in sorted(spans) if s < end and e > start]
        marked = any((s < following and e > start) or s == e == start == end for s, e in spans)
        lines.append(ProgramLine(number, marked, tuple(_segments(text, start, end, inside))))
    return lines


def _segments(text: str, start: int, end: int, inside: Sequence[Span]) -> Iterable[tuple[str, bool]]:
    for s, e in inside:
        if start < s:
            yield text[start:s], False
        if max(start, s) < e:
            yield text[max(start, s) : e], True
        start = max(start, e)
    if start < end:
        yield text[start:end], False


@cache
def templates() -> Environment:
    """The report's templates; whatever is put into them is escaped, since models wrote much of it."""
    return Environment(
        loader=PackageLoader("iterpref_core.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style() -> str:
    """The style sheet of every page."""
    return Path(__file__).with_name("templates").joinpath("style.css").read_text(encoding="utf-8")


NO_SPANS = "no spans"
"""The method of a region that nobody marked: the lines outside the line LCS stand in for it."""


def region_name(spans: FocalSpans) -> str:
    """What is marked in the rejected program, for readers."""
    return "the lines outside the LCS (no spans were given)" if spans.method == NO_SPANS else "the error region D−"


def pair_context(pair: PreferencePair, spans: FocalSpans, shifts: PairShifts | None = None) -> dict[str, object]:
    """What the macro `pair` of the templates needs to show a pair, in the colors of `shifts` where they are given."""
    context: dict[str, object] = {
        "task_id": pair.task_id,
        "prompt": pair.prompt,
        "region": region_name(spans),
        "empty": not spans.rejected,
        "sums": None,
    }
    if shifts is None:
        lines = {"rejected": mark_lines(pair.rejected, spans.rejected), "chosen": mark_lines(pair.chosen, spans.chosen)}
        return context | lines
    return context | {
        "rejected": color_lines(pair.rejected, spans.rejected, shifts.rejected, penalized=True),
        "chosen": color_lines(pair.chosen, spans.chosen, shifts.chosen, penalized=False),
        "sums": sums(shifts, spans),
    }


def sums(shifts: PairShifts, spans: FocalSpans) -> dict[str, str]:
    """What training did to a pair's programs as a whole, in nats: K+ and K- of the paper, and all of y-."""
    return {
        "chosen": nats(sum_changes(shifts.chosen)),
        "region": nats(sum_changes(shifts.rejected, spans.rejected)),
        "rejected": nats(sum_changes(shifts.rejected)),
    }


def nats(value: float) -> str:
    """A change with two digits, and with its sign where they are not all 0.

    >>> nats(-0.5), nats(-0.001)
    ('−0.50', '0.00')
    """
    return f"{value:+.2f}".replace("-", "−") if round(value, 2) else "0.00"


def legend(scale: float) -> list[tuple[int, str]]:
    """Every step of color with the change in its middle; the outermost take all beyond."""
    steps = range(-LEVELS, LEVELS + 1)
    ends = {-LEVELS: "≤ ", LEVELS: "≥ "}
    return [
        (step, ends.get(step, "") + (f"{step * scale / LEVELS:+g}".replace("-", "−") if step else "0"))
        for step in steps
    ]


def write_html(
    pairs: Sequence[PreferencePair],
    spans: Mapping[str, FocalSpans],
    out: Path,
    shifts: Mapping[str, PairShifts] | None = None,
) -> None:
    """Write pairs as one self-contained page.

    Args:
        pairs: the pairs to show.
        spans: task_id → error region, of every pair.
        out: the page.
        shifts: task_id → what training did to the tokens; they become colors.
    """
    shifts = shifts or {}
    scale = choose_scale(shifts.values())
    shown = [pair_context(pair, spans[pair.task_id], shifts.get(pair.task_id)) for pair in pairs]
    page = (
        templates()
        .get_template("pairs.html")
        .render(
            pairs=shown,
            style=style(),
            legend=legend(scale) if shifts else [],
            step=lambda token: level(token.change, scale),
            nats=nats,
        )
    )
    with atomic_writer(out) as file:
        file.write(page)
