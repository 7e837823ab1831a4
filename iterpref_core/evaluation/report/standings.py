"""Print and write a list of score rows as a table in the terminal, as Markdown, as CSV and for scripts."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from iterpref_core.evaluation.report.labels import BENCHMARKS, FOCAL, benchmark_name, in_order, model_name
from iterpref_core.evaluation.report.number_formats import interval, p_value, points, readable, share
from iterpref_core.evaluation.report.score_rows import ScoreRow, score_rows, tests_inside
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.records.errors import printable_text
from iterpref_core.storage.jsonl import atomic_writer

NOTE = (
    "Scores are in percent, differences in points on the same tasks. p: exact McNemar test (several samples: "
    "randomization test), not corrected for the number of rows."
)
_EMPTY = "–"


@dataclass(frozen=True)
class Standings:
    """Scores of several models, each compared with the first one.

    Attributes:
        first: the model that the others are compared with.
        rows: one row for each model and benchmark.
        notes: what a reader of the numbers must know, such as benchmarks without a score.
    """

    first: str
    rows: Sequence[ScoreRow]
    notes: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return the standings for scripts."""
        return {
            "first": self.first,
            "standings": list(map(row_to_json, self.rows)),
            "notes": list(self.notes),
        }

    def print(self, console: Console) -> None:
        """Print one table for each benchmark, and the notes."""
        headings, cells = _cells(self.first, self.rows)
        # One table for each benchmark fits into 80 columns, if the number of tasks is in the title
        # and intervals have no blanks.
        for benchmark in dict.fromkeys(row.benchmark for row in self.rows):
            counts = {row.scores.n for row in self.rows if row.benchmark == benchmark}
            title = benchmark_name(benchmark)
            left_out = {"benchmark"}
            if len(counts) == 1:
                title += f", {counts.pop():,} tasks"
                left_out.add("tasks")
            table = Table(
                title=title,
                title_justify="left",
                box=SIMPLE_HEAD,
                show_edge=False,
                padding=0,
                collapse_padding=True,
            )
            shown = [heading for heading in headings if heading not in left_out]
            for heading in shown:
                table.add_column(heading, justify="left" if heading == "model" else "right", overflow="fold")
            for row, texts in zip(self.rows, cells, strict=True):
                if row.benchmark == benchmark:
                    style = "bold" if row.model in FOCAL else None
                    table.add_row(*(printable_text(texts[name]).replace(", ", ",") for name in shown), style=style)
            console.print(table)
        for note in (NOTE, *self.notes):
            console.print(printable_text(note), style="dim", markup=False, highlight=False)

    def markdown(self) -> str:
        """Return the table and the notes as Markdown, with aligned columns."""
        headings, cells = _cells(self.first, self.rows)
        texts = [[heading.replace("|", "\\|") for heading in headings]]
        for row in cells:
            texts.append([row[heading].replace("|", "\\|") for heading in headings])
        # Pad every cell to its column, so that the source is readable.
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [f"| {' | '.join(map(str.ljust, row, widths))} |" for row in texts]
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
    return Standings("base", rows, [*notes, *inside_notes(rows)])


def inside_notes(rows: Iterable[ScoreRow]) -> list[str]:
    """Return a sentence for each benchmark whose tests ran in the program's own process."""
    return [
        f"{benchmark_name(name)}: tests of {inside:,} of {n:,} tasks ran in the program's own process, "
        "where it can deceive them."
        for name, (inside, n) in tests_inside(rows).items()
    ]


def row_to_json(row: ScoreRow) -> dict[str, Any]:
    """Return a row for scripts and CSV files; an unknown value is None. A part is named as `livecodebench/easy`."""
    scores = row.scores
    paired = row.comparison
    return {
        "benchmark": f"{row.benchmark}/{row.part}" if row.part else row.benchmark,
        "model": row.model,
        "n": scores.n,
        "pass_at_1": scores.pass_at_1,
        "ci95_low": scores.ci95[0],
        "ci95_high": scores.ci95[1],
        **{f"pass_at_{k}": score for k, score in scores.of_other_k.items()},
        "difference": paired and paired.difference,
        "difference_low": paired and paired.ci95[0],
        "difference_high": paired and paired.ci95[1],
        "p_value": paired and paired.p_value,
        "compared": row.compared,
        "tokens_per_answer": scores.tokens and scores.tokens.per_answer,
        "answers_cut": scores.truncated,
        "cost_usd": scores.cost_usd,
    }


def write_csv(rows: Iterable[ScoreRow], path: Path) -> None:
    """Write rows as CSV, in shares of 1. Every k that some row has is a column."""
    records = list(map(row_to_json, rows))
    # Without rows, DVC's plots still need a header.
    columns = dict.fromkeys(["benchmark", "model", "pass_at_1", *(name for record in records for name in record)])
    with atomic_writer(path) as file:
        table = csv.DictWriter(file, list(columns), lineterminator="\n")
        table.writeheader()
        table.writerows(records)


def _cells(
    first: str,
    rows: Sequence[ScoreRow],
) -> tuple[list[str], list[dict[str, str]]]:
    """Return headings, and rows as texts for people by heading, without empty columns."""
    further = sorted({k for row in rows for k in row.scores.of_other_k})
    against = f"against {model_name(first)}"
    headings = ["benchmark", "model", "tasks", "pass@1", "95% interval", *(f"pass@{k}" for k in further)]
    headings += [against, "p", "tokens", "cut", "dollars"]
    cells = []
    for row in rows:
        scores = row.scores
        paired = row.comparison
        low, high = map(share, scores.ci95)
        texts = dict.fromkeys(headings, _EMPTY) | {
            "benchmark": benchmark_name(row.benchmark),
            "model": model_name(row.model),
            "tasks": f"{scores.n:,}",
            "pass@1": share(scores.pass_at_1),
            "95% interval": f"[{low}, {high}]",
            **{f"pass@{k}": share(score) for k, score in scores.of_other_k.items()},
        }
        if paired is not None:
            texts |= {against: f"{points(paired.difference)} {interval(paired.ci95)}", "p": p_value(paired.p_value)}
        if row.compared is not None and row.compared < scores.n:
            texts[against] += f" on {row.compared:,}"
        tokens = scores.tokens and round(scores.tokens.per_answer)
        numbers = {"tokens": tokens, "cut": scores.truncated, "dollars": scores.cost_usd}
        cells.append(texts | {name: readable(number) for name, number in numbers.items() if number is not None})
    # Drop columns in which every row is empty, such as dollars of local models.
    shown = [heading for heading in headings if {texts[heading] for texts in cells} != {_EMPTY}]
    return shown, cells
