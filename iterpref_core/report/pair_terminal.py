"""Pair view in the terminal: the error region marked, and what training did to each token as color.

A token's color stands behind black text, so it reads on any theme. Without colors the signs in the margin, the
underlined region and the sum of each line's changes say the same.
"""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from iterpref_core.records import FocalSpans, PairShifts, PreferencePair, Span
from iterpref_core.report.pair_view import legend, mark_lines, nats, region_name, sums
from iterpref_core.report.token_colors import ColoredLine, Shown, choose_scale, color_lines, level

SIDE_BY_SIDE = 110
"""Columns of a terminal from which on the programs stand beside each other."""
LESS = ("#fdebd3", "#fbc98f", "#f2a653", "#e0862a")
MORE = ("#dbe9f8", "#b0d0ef", "#82b4e4", "#5b9bd8")
"""From weak to strong: orange for less likely, blue for more, told apart by every kind of color vision."""
TAB = 4


def render_terminal(pair: PreferencePair, spans: FocalSpans, shifts: PairShifts | None = None) -> RenderableType:
    """The pair for a rich console. Marked lines carry a sign as well as a color: − rejected, + chosen.

    Args:
        pair: the pair.
        spans: its error region.
        shifts: what training did to its tokens.
    """
    title = Text(pair.task_id, style="bold")
    prompt = Text(pair.prompt, style="italic")
    left, right = f"rejected y−, marked: {region_name(spans)}", "chosen y+"
    if shifts is None:
        rejected = _plain_lines(pair.rejected, spans.rejected, "−", "red")
        chosen = _plain_lines(pair.chosen, spans.chosen, "+", "green")
        return Group(title, prompt, _Sides(_panel(left, rejected, "red"), _panel(right, chosen, "green")))
    scale = choose_scale([shifts])
    total = sums(shifts, spans)
    rejected = _colored_lines(
        color_lines(pair.rejected, spans.rejected, shifts.rejected, penalized=True), "−", "red", scale
    )
    chosen = _colored_lines(color_lines(pair.chosen, spans.chosen, shifts.chosen, penalized=False), "+", "green", scale)
    left = f"rejected y−: K− = {total['region']} nats in {region_name(spans)}, {total['rejected']} in all"
    right = f"chosen y+: K+ = {total['chosen']} nats"
    return Group(title, prompt, _Sides(_panel(left, rejected, "red"), _panel(right, chosen, "green")), _key(scale))


class _Sides:
    """Two panels beside each other where the terminal has room, else one below the other."""

    def __init__(self, left: Panel, right: Panel) -> None:
        self._panels = (left, right)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width < SIDE_BY_SIDE:
            yield from self._panels
            return
        grid = Table.grid(expand=True)
        for _ in self._panels:
            grid.add_column(ratio=1)
        grid.add_row(*self._panels)
        yield grid


def _panel(title: str, lines: Iterator[tuple[Text, Text]], color: str) -> Panel:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for margin, source in lines:
        grid.add_row(margin, source)
    return Panel(grid, title=Text(title), title_align="left", border_style=color)


def _plain_lines(program: str, spans: Sequence[Span], sign: str, color: str) -> Iterator[tuple[Text, Text]]:
    for line in mark_lines(program, spans):
        source = Text()
        for text, marked in line.segments:
            source.append(_visible(text), style=f"{color} reverse" if marked else "")
        yield _margin(line.number, sign if line.marked else " ", color if line.marked else "dim"), source


def _colored_lines(lines: Sequence[ColoredLine], sign: str, color: str, scale: float) -> Iterator[tuple[Text, Text]]:
    for line in lines:
        source = Text()
        for piece in line.pieces:
            style = _style(piece.token, scale) + (" underline" if piece.marked else "")
            source.append(_visible(piece.text), style=style.strip() or ("dim" if piece.glyph else ""))
        margin = _margin(line.number, sign if line.marked else " ", color if line.marked else "dim")
        yield margin.append(f" {nats(line.change):>7}", style="dim"), source


def _margin(number: int, sign: str, style: str) -> Text:
    return Text(f"{number:>3} {sign}", style=style)


def _visible(text: str) -> str:
    """Tabs as blanks: a table's cells have no tab stops."""
    return text.replace("\t", " " * TAB)


def _style(token: Shown | None, scale: float) -> str:
    return _ground(level(token.change, scale)) if token else ""


def _ground(step: int) -> str:
    return f"black on {(MORE if step > 0 else LESS)[abs(step) - 1]}" if step else ""


def _key(scale: float) -> Text:
    text = Text("log π after − log π before, nats: ")
    for step, label in legend(scale):
        text.append(f" {label} ", style=_ground(step))
    text.append(
        "\norange: less likely after training, blue: more; D− is underlined; each line begins with its sum,\n"
        "a marked one of y− with that of its tokens in D−, which add up to K−"
    )
    return text
