"""Score tables of the page: every model on every benchmark, as the paper's table 1, and on parts of them."""

from dataclasses import dataclass

from iterpref_core.report.labels import BENCHMARKS, FOCAL, MAIN_BENCHMARK, MODELS, benchmark_name, in_order, model_name
from iterpref_core.report.score_rows import PARTS, ScoreRow, score_rows
from iterpref_core.report.summary import Summary

Cell = ScoreRow | str
"""A score, or why there is none."""


@dataclass(frozen=True)
class ScoreTable:
    """Headings, and for each model its name, `truth`, `focal` or no style, and a cell for each heading."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]


def score_table(summary: Summary, *, parts: bool) -> ScoreTable | None:
    """A column for every benchmark that a model was measured on, or with `parts` for every part of one.

    None where there is nothing to show; held-out problems alone have a table of their own.
    """
    scores = {(row.model, row.benchmark, row.part): row for row in score_rows(summary) if bool(row.part) == parts}
    sizes: dict[tuple[str, str], int] = {}
    for (_, benchmark, part), row in scores.items():
        sizes[benchmark, part] = max(row.n, sizes.get((benchmark, part), 0))
    if not sizes.keys() - {(MAIN_BENCHMARK, "")}:
        return None
    order = in_order({benchmark for benchmark, _ in sizes}, BENCHMARKS)
    columns = sorted(sizes, key=lambda column: order.index(column[0]))
    rows: list[tuple[str, str, tuple[Cell, ...]]] = []
    if not parts:
        rows.append(("ground truth", "truth", tuple(_truth(summary, benchmark) for benchmark, _ in columns)))
    for model in in_order(set(summary["models"]), MODELS):
        missing = summary["unavailable"].get(model, {})
        cells = (scores.get((model, *column), "n/a" if column[0] in missing else "–") for column in columns)
        rows.append((model_name(model), "focal" if model in FOCAL else "", tuple(cells)))
    headings = (
        f"{benchmark_name(name)}, {PARTS.get(part, part)}, {sizes[name, part]:,} tasks"
        if part
        else benchmark_name(name)
        for name, part in columns
    )
    return ScoreTable(tuple(headings), tuple(rows))


def _truth(summary: Summary, benchmark: str) -> str:
    truth = summary["ground_truth"].get(benchmark)
    return f"{truth['passed']}/{truth['n']}" if truth else "–"
