"""Show a pair in the terminal; signs in the margin mark the error region, also on terminals without colors."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from iterpref_core.evaluation.report.pair_view import pair_titles
from iterpref_core.evaluation.report.program_lines import ProgramLine, cut_lines
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.errors import printable_text
from iterpref_core.records.prompt_messages import labeled_text


def render_terminal(pair: PreferencePair, spans: FocalSpans) -> RenderableType:
    """Return the pair for a rich console. Marked lines carry a sign as well as a color: − rejected, + chosen."""
    rejected_title, chosen_title = pair_titles(spans)
    return Group(
        Text(printable_text(pair.task_id), style="bold"),
        Text(printable_text(labeled_text(pair.prompt)), style="italic"),
        _panel(rejected_title, cut_lines(pair.rejected, spans.rejected), "−", "red"),
        _panel(chosen_title, cut_lines(pair.chosen, spans.chosen), "+", "green"),
    )


def _panel(title: str, lines: Sequence[ProgramLine], sign: str, color: str) -> Panel:
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
            text = printable_text(piece.text).replace("\t", "    ")
            source.append(text, style=f"{color} reverse" if piece.marked else "")
        grid.add_row(margin, source)
    return Panel(grid, title=Text(title), title_align="left", border_style=color)
