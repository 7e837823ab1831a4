"""A preference pair with its error region marked: in the terminal, and as HTML."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from iterpref_core.jsonl import atomic_writer
from iterpref_core.line_diff import diff_lines, line_spans
from iterpref_core.records import FocalSpans, PreferencePair, Span


@dataclass(frozen=True)
class Line:
    """A line of a program. `marked`: it lies in the region, even where it has no character to mark.

    `segments` are its pieces in order, each with whether it is inside the region.
    """

    number: int
    marked: bool
    segments: tuple[tuple[str, bool], ...]


def mark_lines(text: str, spans: Sequence[Span]) -> list[Line]:
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
        lines.append(Line(number, marked, tuple(_segments(text, start, end, inside))))
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


def region(pair: PreferencePair, spans: FocalSpans | None) -> FocalSpans:
    """The given spans, or where there are none the paper's: the lines outside the line LCS."""
    if spans is not None:
        return spans
    diff = diff_lines(pair.rejected, pair.chosen)
    rejected, chosen = line_spans(pair.rejected), line_spans(pair.chosen)
    return FocalSpans(
        task_id=pair.task_id,
        method="line_lcs",
        rejected=tuple(rejected[i] for i in diff.rejected),
        chosen=tuple(chosen[j] for j in diff.chosen),
    )


def render_terminal(pair: PreferencePair, spans: FocalSpans | None) -> RenderableType:
    """The pair for a rich console. Marked lines carry a sign as well as a colour: − rejected, + chosen.

    Args:
        pair: the pair.
        spans: its error region; None marks the lines outside the line LCS.
    """
    marks = region(pair, spans)
    return Group(
        Text(pair.prompt, style="italic"),
        _panel("rejected y−: the error region D− is marked", pair.rejected, marks.rejected, "−", "red"),
        _panel("chosen y+", pair.chosen, marks.chosen, "+", "green"),
    )


def _panel(title: str, program: str, spans: Sequence[Span], sign: str, colour: str) -> Panel:
    body = Text(no_wrap=False)
    for line in mark_lines(program, spans):
        body.append(f"{line.number:>3} {sign if line.marked else ' '} ", style=colour if line.marked else "dim")
        for text, marked in line.segments:
            body.append(text, style=f"{colour} reverse" if marked else "")
        body.append("\n")
    body.rstrip()
    return Panel(body, title=Text(title), title_align="left", border_style=colour)


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


def pair_context(pair: PreferencePair, spans: FocalSpans | None) -> dict[str, object]:
    """What the template `pair.html` needs to show a pair."""
    marks = region(pair, spans)
    return {
        "task_id": pair.task_id,
        "prompt": pair.prompt,
        "method": marks.method,
        "rejected": mark_lines(pair.rejected, marks.rejected),
        "chosen": mark_lines(pair.chosen, marks.chosen),
        "empty": not marks.rejected,
    }


def write_html(pairs: Iterable[PreferencePair], spans: Mapping[str, FocalSpans] | None, out: Path) -> None:
    """Write pairs as one self-contained page.

    Args:
        pairs: the pairs to show.
        spans: task_id → error region; a pair without one gets the lines outside the line LCS.
        out: the page.
    """
    shown = [pair_context(pair, (spans or {}).get(pair.task_id)) for pair in pairs]
    page = templates().get_template("pairs.html").render(pairs=shown, style=style())
    with atomic_writer(out) as file:
        file.write(page)
