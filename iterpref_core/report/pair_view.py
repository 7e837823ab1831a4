"""Pair view as HTML, with the error region marked; and what the terminal's view shares with it."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from iterpref_core.records import FocalSpans, PairShifts, PreferencePair
from iterpref_core.report.program_lines import LEVELS, ProgramLine, choose_scale, cut_lines, level, sum_changes
from iterpref_core.storage.jsonl import atomic_writer

NO_SPANS = "no spans"
"""The method of a region that nobody marked: the lines outside the line LCS stand in for it."""


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


def template_text(name: str) -> str:
    """A style sheet or script as it stands in its file."""
    return Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8")


def cut_programs(
    pair: PreferencePair, spans: FocalSpans, shifts: PairShifts | None
) -> tuple[list[ProgramLine], list[ProgramLine]]:
    """The lines of y- and y+, with what training did to their tokens where `shifts` are given."""
    before, after = (shifts.rejected, shifts.chosen) if shifts else (None, None)
    return cut_lines(pair.rejected, spans.rejected, before, penalized=True), cut_lines(pair.chosen, spans.chosen, after)


def pair_titles(spans: FocalSpans, shifts: PairShifts | None) -> tuple[str, str]:
    """What stands above y- and y+: the region's name or, in nats, the paper's K- and K+ and the sum over all of y-."""
    region = "the lines outside the LCS (no spans were given)" if spans.method == NO_SPANS else "the error region D−"
    if shifts is None:
        return f"Rejected y−, marked: {region}", "Chosen y+"
    k_plus, k_minus = nats(sum_changes(shifts.chosen)), nats(sum_changes(shifts.rejected, spans.rejected))
    rejected = f"Rejected y−: K− = {k_minus} nats in {region}, {nats(sum_changes(shifts.rejected))} in all"
    return rejected, f"Chosen y+: K+ = {k_plus} nats"


def pair_context(pair: PreferencePair, spans: FocalSpans, shifts: PairShifts | None = None) -> dict[str, object]:
    """What the macro `pair` of the templates needs to show a pair, in the colors of `shifts` where they are given."""
    rejected, chosen = cut_programs(pair, spans, shifts)
    return {
        "task_id": pair.task_id,
        "prompt": pair.prompt,
        "empty": not spans.rejected,
        "titles": pair_titles(spans, shifts),
        "rejected": rejected,
        "chosen": chosen,
    }


def nats(value: float) -> str:
    """A change with two digits, and with its sign where they are not all 0.

    >>> nats(-0.5), nats(-0.001)
    ('−0.50', '0.00')
    """
    return f"{value:+.2f}".replace("-", "−") if round(value, 2) else "0.00"


def legend(scale: float) -> list[tuple[int, str]]:
    """Every step of color with the change in its middle; the outermost take all beyond."""
    ends = {-LEVELS: "≤ ", LEVELS: "≥ "}
    return [
        (step, ends.get(step, "") + (f"{step * scale / LEVELS:+g}".replace("-", "−") if step else "0"))
        for step in range(-LEVELS, LEVELS + 1)
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
    template = templates().get_template("pairs.html")
    page = template.render(
        pairs=[pair_context(pair, spans[pair.task_id], shifts.get(pair.task_id)) for pair in pairs],
        style=template_text("style.css"),
        legend=legend(scale) if shifts else [],
        step=lambda token: level(token.change, scale),
        nats=nats,
    )
    with atomic_writer(out) as file:
        file.write(page)
