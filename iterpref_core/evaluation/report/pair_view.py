"""Show a pair with its error region marked, as HTML and in the terminal."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from iterpref_core.programs.source_code.line_diff import line_spans, locate_error
from iterpref_core.records import PreferencePair, Prompt, Span, labeled_text, printable_text, read_own_function
from iterpref_core.storage.jsonl import write_text

_CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Piece:
    """A stretch of a line; `marked` is True in the region."""

    text: str
    marked: bool


@dataclass(frozen=True)
class ProgramLine:
    """A line of a program.

    Attributes:
        number: the line's number, from 1.
        marked: True if the line lies in the region, even if the line has no character to mark.
        pieces: the line's text in order.
    """

    number: int
    marked: bool
    pieces: tuple[Piece, ...]

    @property
    def indent(self) -> int:
        """Return the columns of blanks at the line's beginning, with tab stops at multiples of four."""
        text = "".join(piece.text for piece in self.pieces).expandtabs(4)
        return len(text) - len(text.lstrip(" "))


def cut_lines(text: str, spans: Sequence[Span]) -> list[ProgramLine]:
    r"""Cut a program into lines, and every line at the edges of spans.

    A line is marked when a span covers any of its characters, its line end included. An empty line has none to
    cover where spans leave line ends out; there a span without width marks it.

    Args:
        text: the program.
        spans: the program's region, as characters.

    >>> [[(p.text, p.marked) for p in line.pieces] for line in cut_lines("a = 1\nb = 2\n", [(4, 5)])]
    [[('a = ', False), ('1', True)], [('b = 2', False)]]
    """
    inside: set[int] = set()
    for first, last in spans:
        inside.update(range(first, last))
    bounds = line_spans(text)
    lines = []
    for number, (start, end) in enumerate(bounds, start=1):
        # The next line's beginning is where this line's end ends.
        following = bounds[number][0] if number < len(bounds) else len(text)
        pieces = []
        for in_region, positions in groupby(range(start, end), key=inside.__contains__):
            pieces.append(Piece("".join(text[position] for position in positions), in_region))
        # An empty span marks an empty line.
        marked = any((first < following and last > start) or first == last == start == end for first, last in spans)
        lines.append(ProgramLine(number, marked, tuple(pieces)))
    return lines


@cache
def templates() -> Environment:
    """Return the report's templates; every value is escaped, since models wrote much of it."""
    environment = Environment(
        loader=PackageLoader("iterpref_core.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code_spans"] = code_spans
    # With these a misspelled field would be empty instead of an error; so would `in`, see `ResultRecord`.
    for name in ("default", "d"):
        del environment.filters[name]
    for name in ("defined", "undefined"):
        del environment.tests[name]
    return environment


def render_page(out: Path, template: str, **values: object) -> None:
    """Write a page that is made of a template and these values."""
    write_text(out, templates().get_template(template).render(**values))


def code_spans(text: str) -> Markup:
    """Return text as HTML, with `names` between single backticks as code.

    >>> print(code_spans("Write `f(x)` for x < 3."))
    Write <code>f(x)</code> for x &lt; 3.
    """
    parts = [escape(part) for part in _CODE_SPAN.split(text)]
    # Every second part was between backticks: the regular expression's group.
    parts[1::2] = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    return Markup("").join(parts)


def template_text(name: str) -> str:
    """Return the text of a style sheet or script."""
    return Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8")


class Region(NamedTuple):
    """The lines of a pair to mark: [start, end) characters of each program, and the titles of y- and y+."""

    rejected: Sequence[Span]
    chosen: Sequence[Span]
    titles: tuple[str, str]


def region_of(pair: PreferencePair) -> Region:
    """Return the error region of a pair; of a pair without one the lines outside the LCS, and a title that says so.

    A program alone has nothing to mark.
    """
    if pair.rejected is None:
        return Region((), (), ("No rejected program", "A program to replay, y+"))
    rejected, chosen = pair.rejected_spans, pair.chosen_spans or ()
    marked = "the error region D−"
    if rejected is None:
        rejected, chosen, _ = locate_error(pair.rejected, pair.chosen)
        marked = "the lines outside the LCS (the pair has no region)"
    return Region(rejected, chosen, (f"Rejected y−, marked: {marked}", "Chosen y+"))


def shown_prompt(prompt: Prompt) -> str:
    """Return a prompt for a reader: a line replaces the outline of a module, which may have hundreds."""
    text = labeled_text(prompt)
    own = read_own_function(text)
    if own is None or not own["outline"]:
        return text
    lines = own["module"].count("\n") + 1
    return text.replace(own["outline"], f"(The outline of the module has {lines} lines.)\n\n")


def name_of(pair: PreferencePair) -> str:
    """Return the name of a pair, with a model's scores if it has some."""
    scores = "" if pair.nll is None else f" (nll {pair.nll}, logp_margin {pair.logp_margin})"
    return pair.task_id + scores


def pair_context(pair: PreferencePair) -> dict[str, object]:
    """Return the arguments of the templates' macro `pair`."""
    region = region_of(pair)
    return {
        "task_id": name_of(pair),
        "prompt": shown_prompt(pair.prompt),
        "empty": pair.rejected is not None and not region.rejected,
        "titles": region.titles,
        "rejected": cut_lines(pair.rejected or "", region.rejected),
        "chosen": cut_lines(pair.chosen, region.chosen),
    }


def write_html(pairs: Iterable[PreferencePair], out: Path) -> None:
    """Write pairs with their error regions as one self-contained page."""
    render_page(out, "pairs.html", pairs=[pair_context(pair) for pair in pairs], style=template_text("style.css"))


def render_terminal(pair: PreferencePair) -> RenderableType:
    """Return the pair for a rich console. Marked lines carry a sign as well as a color: − rejected, + chosen."""
    region = region_of(pair)
    return Group(
        Text(printable_text(name_of(pair)), style="bold"),
        Text(printable_text(shown_prompt(pair.prompt)), style="italic"),
        _panel(region.titles[0], cut_lines(pair.rejected or "", region.rejected), "−", "red"),
        _panel(region.titles[1], cut_lines(pair.chosen, region.chosen), "+", "green"),
    )


def _panel(
    title: str,
    lines: Sequence[ProgramLine],
    sign: str,
    color: str,
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
            text = printable_text(piece.text).replace("\t", "    ")
            source.append(text, style=f"{color} reverse" if piece.marked else "")
        grid.add_row(margin, source)
    return Panel(grid, title=Text(title), title_align="left", border_style=color)
