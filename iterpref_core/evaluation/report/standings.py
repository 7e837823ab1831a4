"""Print and write a list of score rows as a table in the terminal, as Markdown and as CSV."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from iterpref_core.evaluation.report.labels import BENCHMARKS, FOCAL, benchmark_name, in_order, model_name
from iterpref_core.evaluation.report.number_formats import interval, p_value, points, readable, share
from iterpref_core.evaluation.report.score_rows import ScoreRow, score_rows
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.records.errors import printable_text
from iterpref_core.storage.jsonl import atomic_writer

NOTE = (
    "Scores are in percent, differences in points on the same tasks. p: exact McNemar test (several samples: "
    "randomization test), not corrected for the number of rows."
)


@dataclass(frozen=True)
class Standings:
    """Scores of several models, each compared with the first one.

    Attributes:
        first: the model that the others are compared with.
        rows: one row for each model and benchmark.
        notes: what a reader of the numbers must know, such as benchmarks without a score.
    """

    first: str
    rows: tuple[ScoreRow, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the standings for scripts."""
        return {"first": self.first, "standings": list(map(row_to_json, self.rows)), "notes": list(self.notes)}

    def print(self, console: Console) -> None:
        """Print one table for each benchmark, and the notes."""
        headings, *cells = _cells(self.first, self.rows)
        # One table for each benchmark fits into 80 columns, if the number of tasks is in the title
        # and intervals have no blanks.
        for benchmark in dict.fromkeys(row.benchmark for row in self.rows):
            counts = {row.n for row in self.rows if row.benchmark == benchmark}
            title, left_out = benchmark_name(benchmark), {"benchmark"}
            if len(counts) == 1:
                title, left_out = f"{title}, {counts.pop():,} tasks", {"benchmark", "tasks"}
            shown = [place for place, heading in enumerate(headings) if heading not in left_out]
            table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, collapse_padding=True)
            table.title, table.title_justify = title, "left"
            for place in shown:
                heading = headings[place]
                table.add_column(heading, justify="left" if heading == "model" else "right", overflow="fold")
            for row, texts in zip(self.rows, cells, strict=True):
                if row.benchmark == benchmark:
                    style = "bold" if row.model in FOCAL else None
                    table.add_row(*(printable_text(texts[place]).replace(", ", ",") for place in shown), style=style)
            console.print(table)
        for note in (NOTE, *self.notes):
            console.print(printable_text(note), style="dim", markup=False, highlight=False)

    def markdown(self) -> str:
        """Return the table and the notes as Markdown, with aligned columns."""
        texts = [[cell.replace("|", "\\|") for cell in cells] for cells in _cells(self.first, self.rows)]
        # Pad every cell to its column, so that the source is readable.
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [f"| {' | '.join(map(str.ljust, cells, widths))} |" for cells in texts]
        lines.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
        return "\n".join([*lines, "", NOTE, *self.notes]) + "\n"

    def write(self, out: Path) -> None:
        """Write leaderboard.md and leaderboard.csv into a folder."""
        with atomic_writer(out / "leaderboard.md") as file:
            file.write(self.markdown())
        write_csv(self.rows, out / "leaderboard.csv")


def summary_standings(summary: Summary) -> Standings:
    """Return the standings of an experiment, in the order of the report, compared with its base model."""
    notes = []
    if "debugger" in summary.models:
        notes.append("The debugger wrote the repairs in the pairs: it does not compete.")
    for benchmark, truth in summary.ground_truth.items():
        notes.append(f"{benchmark_name(benchmark)}: {truth.passed:,} of {truth.n:,} reference solutions pass.")
    if unavailable := in_order({name for missing in summary.unavailable.values() for name in missing}, BENCHMARKS):
        notes.append(f"Not measured: {', '.join(map(benchmark_name, unavailable))}; the report says why.")
    if summary.missing:
        notes.append(f"not measured: {', '.join(summary.missing)}")
    rows = [row for row in score_rows(summary) if not row.part]
    return Standings("base", tuple(rows), (*notes, *inside_notes(rows)))


def inside_notes(rows: Sequence[ScoreRow]) -> list[str]:
    """Return a sentence for each benchmark whose tests ran in the program's own process."""
    inside = {row.benchmark: f"{row.inside:,} of {row.n:,}" for row in rows if row.inside}
    return [
        f"{benchmark_name(name)}: tests of {count} tasks ran in the program's own process, where it can deceive them."
        for name, count in inside.items()
    ]


def row_to_json(row: ScoreRow) -> dict[str, Any]:
    """Return a row for scripts and CSV files; an unknown value is None. A part is named as `livecodebench/easy`."""
    paired = row.comparison
    return {
        "benchmark": f"{row.benchmark}/{row.part}" if row.part else row.benchmark,
        "model": row.model,
        "n": row.n,
        "pass_at_1": row.score,
        "ci95_low": row.interval[0],
        "ci95_high": row.interval[1],
        **{f"pass_at_{k}": score for k, score in row.of_other_k.items()},
        "difference": paired and paired.difference,
        "difference_low": paired and paired.ci95[0],
        "difference_high": paired and paired.ci95[1],
        "p_value": paired and paired.p_value,
        "compared": row.compared,
        "tokens_per_answer": row.tokens,
        "answers_cut": row.cut,
        "cost_usd": row.dollars,
    }


def write_csv(rows: Sequence[ScoreRow], path: Path) -> None:
    """Write rows as CSV, in shares of 1. Every k that some row has is a column."""
    records = list(map(row_to_json, rows))
    # Without rows, DVC's plots still need a header.
    columns = dict.fromkeys(["benchmark", "model", "pass_at_1", *(name for record in records for name in record)])
    with atomic_writer(path) as file:
        table = csv.DictWriter(file, list(columns), lineterminator="\n")
        table.writeheader()
        table.writerows(records)


def _cells(first: str, rows: Sequence[ScoreRow]) -> list[list[str]]:
    """Return headings and rows as texts for people, without empty columns."""
    further = sorted({k for row in rows for k in row.of_other_k})
    headings = ["benchmark", "model", "tasks", "pass@1", "95% interval", *(f"pass@{k}" for k in further)]
    table = [[*headings, f"against {model_name(first)}", "p", "tokens", "cut", "dollars"]]
    for row in rows:
        low, high = row.interval
        against, p = "–", "–"
        if row.comparison is not None:
            against = f"{points(row.comparison.difference)} {interval(row.comparison.ci95)}"
            p = p_value(row.comparison.p_value)
        if row.compared is not None and row.compared < row.n:
            against += f" on {row.compared:,}"
        cells = [benchmark_name(row.benchmark), model_name(row.model), f"{row.n:,}", share(row.score)]
        cells.append(f"[{share(low)}, {share(high)}]")
        cells += ["–" if k not in row.of_other_k else share(row.of_other_k[k]) for k in further]
        cells += [against, p, "–" if row.tokens is None else readable(round(row.tokens))]
        table.append(cells + ["–" if number is None else readable(number) for number in (row.cut, row.dollars)])
    columns = zip(*table, strict=True)
    # Drop columns in which every row has "–", such as dollars of local models.
    kept = [column for column in columns if not rows or {*column[1:]} != {"–"}]
    return [list(cells) for cells in zip(*kept, strict=True)]
