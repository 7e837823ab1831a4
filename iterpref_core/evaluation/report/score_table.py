"""Score tables of the page: every model on every benchmark, as the paper's table 1, and on parts of them."""

from dataclasses import dataclass

from iterpref_core.evaluation.report.labels import (
    BENCHMARKS,
    FOCAL,
    MAIN_BENCHMARK,
    MODELS,
    benchmark_name,
    in_order,
    model_name,
)
from iterpref_core.evaluation.report.score_rows import PARTS, ScoreRow, score_rows
from iterpref_core.evaluation.report.summary_record import Summary

Cell = ScoreRow | str
"""A score, or the sign of the reason why there is none."""


@dataclass(frozen=True)
class ScoreTable:
    """A table of scores.

    Attributes:
        headings: one for each column.
        rows: (name of the model, style, cells); the style is `truth`, `focal` or empty.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]


def score_table(summary: Summary, *, parts: bool) -> ScoreTable | None:
    """Return a table with a column for every measured benchmark, or with `parts` for every part of one.

    Held-out problems alone have a table of their own: None if there is nothing else.
    """
    scores: dict[tuple[str, str, str], ScoreRow] = {}
    sizes: dict[tuple[str, str], int] = {}
    for row in score_rows(summary):
        is_part = row.part != ""
        if is_part == parts:
            scores[row.model, row.benchmark, row.part] = row
            column = (row.benchmark, row.part)
            sizes[column] = max(row.n, sizes.get(column, 0))
    if sizes.keys() <= {(MAIN_BENCHMARK, "")}:
        return None
    order = in_order({benchmark for benchmark, _ in sizes}, BENCHMARKS)
    # Sorting is stable: the parts of a benchmark keep their order.
    columns = sorted(sizes, key=lambda column: order.index(column[0]))
    rows: list[tuple[str, str, tuple[Cell, ...]]] = []
    if not parts:
        truths = tuple(_truth(summary, benchmark) for benchmark, _ in columns)
        rows.append(("ground truth", "truth", truths))
    for model in in_order(set(summary.models), MODELS):
        missing = summary.unavailable.get(model, {})
        cells: list[Cell] = []
        for benchmark, part in columns:
            without_score = "n/a" if benchmark in missing else "–"
            cells.append(scores.get((model, benchmark, part), without_score))
        style = "focal" if model in FOCAL else ""
        rows.append((model_name(model), style, tuple(cells)))
    headings = []
    for benchmark, part in columns:
        headings.append(_heading(benchmark, part, sizes[benchmark, part]))
    return ScoreTable(tuple(headings), tuple(rows))


def _heading(benchmark: str, part: str, tasks: int) -> str:
    of_part = f", {PARTS.get(part, part)}" if part else ""
    return f"{benchmark_name(benchmark)}{of_part}, {tasks:,} tasks"


def _truth(summary: Summary, benchmark: str) -> str:
    truth = summary.ground_truth.get(benchmark)
    return f"{truth.passed}/{truth.n}" if truth else "–"
