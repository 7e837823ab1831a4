"""Score tables of the page: every model on every benchmark (as the paper's table 1), and on parts of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from iterpref_core.report.labels import (
    BENCHMARKS,
    COLUMNS,
    FOCAL,
    MAIN_BENCHMARK,
    MODELS,
    benchmark_name,
    in_order,
    model_name,
)
from iterpref_core.report.score_rows import PARTS, ScoreRow, score_rows
from iterpref_core.report.summary import Summary

Cell = ScoreRow | str
"""A score, or why there is none."""


@dataclass(frozen=True)
class ScoreTable:
    """`columns` are groups, each with its headings; `rows` have a name, `truth`, `focal` or no style, and the cells."""

    columns: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]

    @property
    def width(self) -> int:
        """Columns, that of the models' names included."""
        return 1 + sum(len(headings) for _, headings in self.columns)


def benchmark_table(summary: Summary) -> ScoreTable | None:
    """A column for every benchmark that some model was measured on; None where there are held-out problems alone."""
    rows = {(row.model, row.benchmark): row for row in score_rows(summary) if not row.part}
    shown = {benchmark for _, benchmark in rows}
    if not shown - {MAIN_BENCHMARK}:
        return None
    groups = {title: [name for name in names if name in shown] for title, names in COLUMNS.items()}
    columns = tuple((title, tuple(COLUMNS[title][name] for name in names)) for title, names in groups.items() if names)
    benchmarks = [name for names in groups.values() for name in names]
    truth = summary["ground_truth"]
    cells = tuple(f"{truth[name]['passed']}/{truth[name]['n']}" if name in truth else "–" for name in benchmarks)
    known = any(name in truth for name in benchmarks)
    table: list[tuple[str, str, tuple[Cell, ...]]] = [("ground truth", "truth", cells)] if known else []
    for model in in_order(set(summary["models"]), MODELS):
        missing = summary["unavailable"].get(model, {})
        scores = tuple(rows.get((model, name), "n/a" if name in missing else "–") for name in benchmarks)
        table.append((model_name(model), "focal" if model in FOCAL else "", scores))
    return ScoreTable(columns, tuple(table))


def part_table(summary: Summary) -> ScoreTable | None:
    """A column for every part of a benchmark: LiveCodeBench's difficulties (the paper's table 10), tasks left out."""
    rows = {(row.model, row.benchmark, row.part): row for row in score_rows(summary) if row.part}
    if not rows:
        return None
    sizes: dict[tuple[str, str], int] = {}
    for (_, benchmark, part), row in rows.items():
        sizes[benchmark, part] = max(row.n, sizes.get((benchmark, part), 0))
    places = [key for name in in_order({name for name, _ in sizes}, BENCHMARKS) for key in sizes if key[0] == name]
    columns = tuple(
        (benchmark_name(name), tuple(_heading(key, sizes) for key in keys))
        for name, keys in groupby(places, key=lambda key: key[0])
    )
    models = in_order({model for model, _, _ in rows}, MODELS)
    return ScoreTable(
        columns,
        tuple(
            (
                model_name(model),
                "focal" if model in FOCAL else "",
                tuple(rows.get((model, *key), "–") for key in places),
            )
            for model in models
        ),
    )


def _heading(key: tuple[str, str], sizes: Mapping[tuple[str, str], int]) -> str:
    return f"{PARTS.get(key[1], key[1])}, {sizes[key]:,} tasks"
