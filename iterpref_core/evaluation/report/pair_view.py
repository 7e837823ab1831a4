"""Pair view as HTML, with the error region marked, and its parts that the terminal's view uses too."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from iterpref_core.evaluation.report.program_lines import (
    LEVELS,
    ProgramLine,
    choose_scale,
    cut_lines,
    level,
    sum_changes,
)
from iterpref_core.records import FocalSpans, PairShifts, PreferencePair
from iterpref_core.records.prompt_messages import labeled_text
from iterpref_core.storage.jsonl import atomic_writer

NO_SPANS = "no spans"
"""The method of a region that was not marked by any method: the lines outside the line LCS stand in for it."""

_CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


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
    return environment


def code_spans(text: str) -> Markup:
    """Return text as HTML, with `names` between single backticks as code.

    >>> print(code_spans("Write `f(x)` for x < 3."))
    Write <code>f(x)</code> for x &lt; 3.
    """
    parts = [escape(part) for part in _CODE_SPAN.split(text)]
    # Every second part stood between backticks: the regular expression's group.
    parts[1::2] = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    return Markup("").join(parts)


def template_text(name: str) -> str:
    """Return the text of a style sheet or script."""
    return Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8")


def cut_programs(
    pair: PreferencePair,
    spans: FocalSpans,
    shifts: PairShifts | None,
) -> tuple[list[ProgramLine], list[ProgramLine]]:
    """Return the lines of y- and of y+, with the tokens' changes in training if `shifts` are given."""
    rejected = cut_lines(pair.rejected, spans.rejected, shifts.rejected if shifts else ())
    chosen = cut_lines(pair.chosen, spans.chosen, shifts.chosen if shifts else ())
    return rejected, chosen


def pair_titles(spans: FocalSpans, shifts: PairShifts | None) -> tuple[str, str]:
    """Return the titles of y- and y+; with `shifts` they have K-, K+ and the sum over all of y-, in nats."""
    region = "the error region D−"
    if spans.method == NO_SPANS:
        region = "the lines outside the LCS (no spans were given)"
    if shifts is None:
        return f"Rejected y−, marked: {region}", "Chosen y+"
    k_plus = nats(sum_changes(shifts.chosen))
    k_minus = nats(sum_changes(shifts.rejected, spans.rejected))
    in_all = nats(sum_changes(shifts.rejected))
    rejected = f"Rejected y−: K− = {k_minus} nats in {region}, {in_all} in all"
    return rejected, f"Chosen y+: K+ = {k_plus} nats"


def pair_context(
    pair: PreferencePair,
    spans: FocalSpans,
    shifts: PairShifts | None = None,
) -> dict[str, object]:
    """Return the arguments of the templates' macro `pair`; tokens have colors if `shifts` are given."""
    rejected, chosen = cut_programs(pair, spans, shifts)
    return {
        "task_id": pair.task_id,
        "prompt": labeled_text(pair.prompt),
        "empty": not spans.rejected,
        "titles": pair_titles(spans, shifts),
        "rejected": rejected,
        "chosen": chosen,
    }


def nats(value: float) -> str:
    """Format a change in nats with two digits, and with its sign unless they are all 0.

    >>> nats(-0.5), nats(-0.001)
    ('−0.50', '0.00')
    """
    if round(value, 2) == 0:
        return "0.00"
    return f"{value:+.2f}".replace("-", "−")


def legend(scale: float) -> list[tuple[int, str]]:
    """Return every step of color with the change in its middle; the outermost steps take all beyond."""
    signs = {-LEVELS: "≤ ", LEVELS: "≥ "}
    steps = []
    for step in range(-LEVELS, LEVELS + 1):
        middle = "0"
        if step != 0:
            change = step * scale / LEVELS
            middle = f"{change:+.2g}".replace("-", "−")
        sign = signs.get(step, "")
        steps.append((step, sign + middle))
    return steps


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
        shifts: task_id → the changes of the tokens by training, as colors.
    """
    shifts = shifts or {}
    scale = choose_scale(shifts.values())
    shown = []
    for pair in pairs:
        region = spans[pair.task_id]
        changes = shifts.get(pair.task_id)
        shown.append(pair_context(pair, region, changes))
    template = templates().get_template("pairs.html")
    page = template.render(
        pairs=shown,
        style=template_text("style.css"),
        legend=legend(scale) if shifts else [],
        step=(lambda change: level(change, scale)) if shifts else None,
        nats=nats,
    )
    with atomic_writer(out) as file:
        file.write(page)
