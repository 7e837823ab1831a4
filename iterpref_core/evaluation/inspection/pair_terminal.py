"""Pair view in the terminal: the error region marked, and each token's change in training as color.

A token's color stands behind black text, so it reads on any theme. Without colors, the signs in the margin and the
underlined region say where the region is.
"""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from iterpref_core.evaluation.report.pair_view import cut_programs, legend, pair_titles
from iterpref_core.evaluation.report.program_lines import Piece, ProgramLine, choose_scale, level
from iterpref_core.records import FocalSpans, PairShifts, PreferencePair
from iterpref_core.records.prompt_messages import labeled_text

LESS = ("#fdebd3", "#fbc98f", "#f2a653", "#e0862a")
MORE = ("#dbe9f8", "#b0d0ef", "#82b4e4", "#5b9bd8")
"""Colors from weak to strong: orange for less likely, blue for more, told apart by every kind of color vision."""


def render_terminal(
    pair: PreferencePair,
    spans: FocalSpans,
    shifts: PairShifts | None = None,
) -> RenderableType:
    """Return the pair for a rich console. Marked lines carry a sign as well as a color: − rejected, + chosen.

    Args:
        pair: the pair.
        spans: the error region.
        shifts: the tokens' changes in training.
    """
    scale = choose_scale([shifts]) if shifts else None
    rejected_title, chosen_title = pair_titles(spans, shifts)
    rejected, chosen = cut_programs(pair, spans, shifts)
    parts: list[RenderableType] = [
        Text(pair.task_id, style="bold"),
        Text(labeled_text(pair.prompt), style="italic"),
        _panel(rejected_title, rejected, "−", "red", scale),
        _panel(chosen_title, chosen, "+", "green", scale),
    ]
    if scale is not None:
        parts.append(_key(scale))
    return Group(*parts)


def _panel(
    title: str,
    lines: Sequence[ProgramLine],
    sign: str,
    color: str,
    scale: float | None,
) -> Panel:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        if line.marked:
            margin = Text(f"{line.number:>3} {sign}", style=color)
        else:
            margin = Text(f"{line.number:>3}  ", style="dim")
        source = Text()
        for piece in line.pieces:
            # A table's cells have no tab stops.
            text = piece.text.replace("\t", "    ")
            source.append(text, style=_style(piece, color, scale))
        grid.add_row(margin, source)
    return Panel(grid, title=Text(title), title_align="left", border_style=color)


def _style(piece: Piece, color: str, scale: float | None) -> str:
    """Return the style of a piece: without changes of tokens the region has a color, with them it is underlined."""
    if scale is None:
        return f"{color} reverse" if piece.marked else ""
    ground = "" if piece.change is None else _ground(level(piece.change, scale))
    return f"underline {ground}".strip() if piece.marked else ground


def _ground(step: int) -> str:
    if not step:
        return ""
    colors = MORE if step > 0 else LESS
    return f"black on {colors[abs(step) - 1]}"


def _key(scale: float) -> Text:
    text = Text("log π after − log π before, nats: ")
    for step, label in legend(scale):
        text.append(f" {label} ", style=_ground(step))
    text.append("\norange: less likely after training, blue: more likely; D− is underlined")
    return text
