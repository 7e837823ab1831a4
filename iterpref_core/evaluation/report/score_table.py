"""Make the page's table of every model on every benchmark, as the paper's tables 1 and 10."""

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
from iterpref_core.evaluation.report.score_rows import ScoreRow, score_rows
from iterpref_core.evaluation.report.summary_record import Summary

Cell = ScoreRow | str
"""A score, or a sign for a missing score."""


@dataclass(frozen=True)
class ScoreTable:
    """A table of scores.

    Attributes:
        headings: one for each column.
        rows: (name of the model, style, cells); the style is `truth`, `focal` or empty.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]


def score_table(summary: Summary) -> ScoreTable | None:
    """Return a table with a column for every measured benchmark, and for every difficulty of one.

    Held-out problems alone have a table of their own: None without other benchmarks.
    """
    scores: dict[tuple[str, str, str], ScoreRow] = {}
    sizes: dict[tuple[str, str], int] = {}
    for row in score_rows(summary):
        scores[row.model, row.benchmark, row.part] = row
        column = (row.benchmark, row.part)
        # Models may have different numbers of judged tasks: show the largest.
        sizes[column] = max(row.n, sizes.get(column, 0))
    if sizes.keys() <= {(MAIN_BENCHMARK, "")}:
        return None
    order = in_order({benchmark for benchmark, _ in sizes}, BENCHMARKS)
    # Sorting is stable: the parts of a benchmark keep their order.
    columns = sorted(sizes, key=lambda column: order.index(column[0]))
    truths = tuple(_truth(summary, benchmark) if not part else "–" for benchmark, part in columns)
    rows: list[tuple[str, str, tuple[Cell, ...]]] = [("ground truth", "truth", truths)]
    for model in in_order(set(summary.models), MODELS):
        missing = summary.unavailable.get(model, {})
        cells: list[Cell] = []
        for benchmark, part in columns:
            # "n/a": could not be measured; "–": not asked for.
            without_score = "n/a" if benchmark in missing else "–"
            cells.append(scores.get((model, benchmark, part), without_score))
        style = "focal" if model in FOCAL else ""
        rows.append((model_name(model), style, tuple(cells)))
    headings = []
    for benchmark, part in columns:
        of_part = f", {part}" if part else ""
        headings.append(f"{benchmark_name(benchmark)}{of_part}, {sizes[benchmark, part]:,} tasks")
    return ScoreTable(tuple(headings), tuple(rows))


def _truth(summary: Summary, benchmark: str) -> str:
    truth = summary.ground_truth.get(benchmark)
    return f"{truth.passed}/{truth.n}" if truth else "–"
