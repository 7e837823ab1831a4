"""Leaderboard as a page, without scripts and without requests, in the style of the report."""

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import ChoiceLoader, Environment, PackageLoader

from iterpref_core.report.labels import benchmark_name
from iterpref_core.report.pair_view import template_text, templates

if TYPE_CHECKING:
    from iterpref_core.scoring.leaderboard import Leaderboard, Standing


@cache
def _environment() -> Environment:
    report = templates()
    return report.overlay(loader=ChoiceLoader([PackageLoader("iterpref_core.scoring"), report.loader]))  # type: ignore[list-item]


def render_page(board: "Leaderboard") -> str:
    """Return the page."""
    by_benchmark: dict[str, list[Standing]] = {}
    for standing in board.standings:
        by_benchmark.setdefault(standing.benchmark, []).append(standing)
    return (
        _environment()
        .get_template("leaderboard.html")
        .render(
            board=board,
            groups=[(benchmark_name(name), rows) for name, rows in by_benchmark.items()],
            style=template_text("style.css"),
        )
    )
