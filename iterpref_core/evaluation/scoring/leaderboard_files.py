"""Leaderboard as files: Markdown, CSV, and a page without scripts and without requests, in the style of the report."""

import csv
from functools import cache
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader

from iterpref_core.evaluation.report.labels import benchmark_name
from iterpref_core.evaluation.report.pair_view import template_text, templates
from iterpref_core.evaluation.report.score_rows import ScoreRow
from iterpref_core.evaluation.scoring.standings import Leaderboard, cells_of, row_to_json
from iterpref_core.storage.jsonl import atomic_writer


@cache
def _environment() -> Environment:
    report = templates()
    assert report.loader is not None
    return report.overlay(loader=ChoiceLoader([PackageLoader("iterpref_core.evaluation.scoring"), report.loader]))


def render_page(board: Leaderboard) -> str:
    """Return the page."""
    by_benchmark: dict[str, list[ScoreRow]] = {}
    for row in board.standings:
        by_benchmark.setdefault(row.benchmark, []).append(row)
    return (
        _environment()
        .get_template("leaderboard.html")
        .render(
            board=board,
            groups=[(benchmark_name(name), rows) for name, rows in by_benchmark.items()],
            cells_of=cells_of,
            style=template_text("style.css"),
        )
    )


def write_leaderboard(board: Leaderboard, out: Path) -> None:
    """Write leaderboard.md, leaderboard.csv and leaderboard.html into a folder."""
    with atomic_writer(out / "leaderboard.md") as file:
        file.write(board.markdown())
    with atomic_writer(out / "leaderboard.csv") as file:
        rows = [row_to_json(row) for row in board.standings]
        table = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    with atomic_writer(out / "leaderboard.html") as file:
        file.write(render_page(board))
