"""Print and write a list of score rows as a table in the terminal, as Markdown, as CSV and for scripts."""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import IO, Any

from rich.box import MARKDOWN, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from iterpref_core.records import BENCHMARKS, ScoreRecord, printable_text
from iterpref_core.storage.jsonl import write_text

from ..statistics.comparison import ScoreDifference
from .display_names import FOCAL, benchmark_name, in_order, model_name
from .latex_table import latex_table, latex_text
from .number_formats import interval, kept_percent, p_value, points, readable, share, shares
from .score_rows import ScoreRow, score_rows, smallest_decided_difference, tables_of
from .summary_record import Summary
from .table_forms import Form

NOTE = (
    "Scores are in percent and differences in points on the same tasks, both with their 95% intervals in brackets. p: "
    "exact McNemar test (several samples: randomization test; several seeds: Student's t over tasks and seeds), not "
    "corrected for the number of rows."
)
_KEPT_NOTE = "kept: the percentage of the other model's solved tasks that a model also solves."
_EMPTY = "–"


@dataclass(frozen=True)
class Standings:
    """Scores of several models, each compared with the first one, and if asked with the one before it.

    Attributes:
        first: the first model.
        rows: one row for each model and benchmark.
        notes: what a reader of the numbers must know, such as benchmarks without a score.
        given: the models that a user has named, whose names are shown as they are.
    """

    first: str
    rows: Sequence[ScoreRow]
    notes: Sequence[str]
    given: Collection[str] = ()

    def shown(self, model: str) -> str:
        """Return a model's name for readers."""
        return model if model in self.given else model_name(model)

    @property
    def _all_notes(self) -> list[str]:
        # Without a task that the first model solved there is no column.
        kept = any(row.comparison and row.comparison.kept for row in self.rows)
        return [f"{NOTE} {_KEPT_NOTE}" if kept else NOTE, *self.notes]

    def to_json(self) -> dict[str, Any]:
        """Return the standings for scripts."""
        return {
            "first": self.first,
            "standings": list(map(row_to_json, self.rows)),
            "notes": list(self.notes),
        }

    def print(self, console: Console) -> None:
        """Print one table for each benchmark, and the notes."""
        for title, hidden, rows in self._tables():
            table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False)
            # Without blanks a table fits into 80 columns.
            table.padding, table.collapse_padding = (0, 0, 0, 0), True
            console.print(_build_table(table, self, rows, hidden, (", ", ",")))
        for note in self._all_notes:
            console.print(printable_text(note), style="dim", markup=False, highlight=False)

    def text(self, form: Form) -> str:
        """Return the table in a form; CSV is in shares of 1, and has no notes."""
        if form == "text":
            text = StringIO()
            self.print(wide_console(text))
            return text.getvalue()
        if form == "csv":
            return csv_text(self.rows)
        return self.markdown() if form == "markdown" else self._latex()

    def write(self, out: Path) -> None:
        """Write leaderboard.md and leaderboard.csv into a folder."""
        write_text(out / "leaderboard.md", self.markdown())
        write_csv(self.rows, out / "leaderboard.csv")

    def _tables(self) -> Iterator[tuple[str, set[str], list[ScoreRow]]]:
        """Yield the title of each benchmark's table, the columns that the title replaces, and the rows."""
        for title, rows in tables_of(self.rows).items():
            yield title, {"benchmark", "tasks"} if title.endswith(" tasks") else {"benchmark"}, rows

    def markdown(self) -> str:
        """Return the table and the notes as Markdown."""
        text = StringIO()
        table = _build_table(Table(box=MARKDOWN), self, self.rows, set(), ("|", r"\|"))
        wide_console(text).print(table)
        return "\n".join([*text.getvalue().strip().split("\n"), "", *self._all_notes]) + "\n"

    def _latex(self) -> str:
        """Return the table for a paper: of one benchmark with all columns, of several with a column for each.

        The best score of a benchmark is bold if it is significantly better than the next one.
        """
        notes = [note.rstrip(".") + "." for note in self._all_notes]
        tables = list(self._tables())
        if len(tables) == 1:
            [(title, hidden, rows)] = tables
            headings, *texts = _texts_of(self, rows, hidden)
            lines = [[*map(latex_text, cells)] for cells in texts]
            for row, cells in zip(rows, lines, strict=True):
                cells[headings.index("pass@1")] = _latex_score(row)
            return latex_table(headings, lines, f"{title}.", notes)
        names = in_order({row.benchmark for row in self.rows}, BENCHMARKS)
        found = {(row.model, row.benchmark): _latex_cell(row) for row in self.rows}
        models = dict.fromkeys([self.first, *(row.model for row in self.rows)])
        lines = [
            [latex_text(self.shown(model)), *(found.get((model, name), "--") for name in names)] for model in models
        ]
        small = f"± is the standard deviation over seeds; small: the difference from {self.shown(self.first)}."
        return latex_table(["model", *map(benchmark_name, names)], lines, "pass@1.", [*notes, small])


def wide_console(file: IO[str] | None = None) -> Console:
    """Return a console that breaks no row: standard output, or a file, which has no colors."""
    return Console(file=file, width=10_000, color_system="auto" if file is None else None)


def _latex_score(row: ScoreRow) -> str:
    return rf"\textbf{{{share(row.scores.pass_at_1)}}}" if row.best else share(row.scores.pass_at_1)


def _latex_cell(row: ScoreRow) -> str:
    """Return all of a row in one cell: score, standard deviation, interval, and small the difference."""
    spread = "" if row.spread is None else f" ± {share(row.spread)}"
    cell = _latex_score(row) + latex_text(f"{spread} {shares(row.scores.ci95)}")
    if row.comparison is None:
        return cell
    return rf"{cell} {{\scriptsize {latex_text(_difference_of(row, row.comparison))}}}"


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
    return Standings("base", rows, [*notes, *notes_of(rows)])


def notes_of(rows: Iterable[ScoreRow]) -> list[str]:
    """Return what rows with so many tasks can show, and the notes on tests inside."""
    sizes = {title: smallest_decided_difference(of_table) for title, of_table in tables_of(rows).items()}
    shown = [f"{100 * size:.1f} points ({title})" for title, size in sizes.items() if size is not None]
    undecided = [f"Differences below about {', '.join(shown)} stay undecided."] if shown else []
    return undecided + inside_notes(rows)


def inside_notes(rows: Iterable[ScoreRow]) -> list[str]:
    """Return a sentence for each benchmark whose tests ran in the program's own process."""
    inside = {row.benchmark: row.scores for row in rows if row.scores.inside}
    return [
        f"{benchmark_name(name)}: tests of {scores.inside:,} of {scores.n:,} tasks ran in the program's own process, "
        "where it can deceive them."
        for name, scores in inside.items()
    ]


def row_to_json(row: ScoreRow) -> dict[str, Any]:
    """Return a row for scripts and CSV files; an unknown value is None. A part is named as `livecodebench/easy`."""
    scores = row.scores
    paired = row.comparison
    kept = paired and paired.kept
    return {
        "benchmark": f"{row.benchmark}/{row.part}" if row.part else row.benchmark,
        "model": row.model,
        "n": scores.n,
        "pass_at_1": scores.pass_at_1,
        "ci95_low": scores.ci95[0],
        "ci95_high": scores.ci95[1],
        **({"seeds": row.seeds, "std": row.spread} if row.seeds > 1 else {}),
        **scores.numbers_of_other_k,
        **_comparison_numbers(paired),
        **(_comparison_numbers(row.previous, "previous_") if row.previous else {}),
        "kept": kept and kept.share,
        "kept_low": kept and kept.ci95[0],
        "kept_high": kept and kept.ci95[1],
        "tokens_per_answer": scores.tokens and scores.tokens.per_answer,
        "answers_cut": scores.truncated,
        "cost_usd": scores.cost_usd,
    }


def _comparison_numbers(paired: ScoreDifference | None, prefix: str = "") -> dict[str, Any]:
    return {
        f"{prefix}difference": paired and paired.difference,
        f"{prefix}difference_low": paired and paired.ci95[0],
        f"{prefix}difference_high": paired and paired.ci95[1],
        f"{prefix}p_value": paired and paired.p_value,
        f"{prefix}compared": paired and paired.n,
    }


def write_csv(rows: Iterable[ScoreRow], path: Path) -> None:
    """Write rows as CSV, in shares of 1."""
    write_text(path, csv_text(rows))


def csv_text(rows: Iterable[ScoreRow]) -> str:
    """Return rows as CSV, in shares of 1. Every k that some row has is a column."""
    records = list(map(row_to_json, rows))
    # Without rows, DVC's plots still need a header.
    columns = dict.fromkeys(["benchmark", "model", "pass_at_1", *(name for record in records for name in record)])
    text = StringIO()
    table = csv.DictWriter(text, list(columns), lineterminator="\n")
    table.writeheader()
    table.writerows(records)
    return text.getvalue()


def _build_table(
    table: Table, board: Standings, rows: Sequence[ScoreRow], hidden: set[str], replaced: tuple[str, str]
) -> Table:
    """Return a table with rows for people, focal ones bold."""
    headings, *texts = _texts_of(board, rows, hidden)
    for heading in headings:
        left = heading == "model" or table.box is MARKDOWN
        table.add_column(heading, justify="left" if left else "right", overflow="fold")
    old, new = replaced
    for row, written in zip(rows, texts, strict=True):
        table.add_row(*(Text(text.replace(old, new)) for text in written), style="bold" if row.model in FOCAL else None)
    return table


def _texts_of(board: Standings, rows: Sequence[ScoreRow], hidden: set[str]) -> list[list[str]]:
    """Return the headings and then each row's texts, without empty columns, columns of zeros and `hidden` ones."""
    cells = [_cells_of(board, row) for row in rows]
    # The fullest row has its headings in order: others may lack pass@5.
    headings = dict.fromkeys(heading for texts in sorted(cells, key=len, reverse=True) for heading in texts)
    filled = {name for name in headings if any((texts.get(name) or "0") != "0" for texts in cells)}
    shown = [name for name in headings if name in filled - hidden]
    return [shown, *([printable_text(texts.get(heading) or _EMPTY) for heading in shown] for texts in cells)]


def _difference_of(row: ScoreRow, paired: ScoreDifference) -> str:
    """Return a difference with its interval, and the number of tasks if some of the row's are not shared."""
    return f"{points(paired.difference)} {interval(paired.ci95)}{_on_fewer(paired.n, row.scores)}"


def _comparison_cells(row: ScoreRow, paired: ScoreDifference | None, *headings: str) -> dict[str, str | None]:
    """Return the difference and the p of a comparison under two headings."""
    if paired is None:
        return dict.fromkeys(headings)
    p = None if paired.p_value is None else p_value(paired.p_value)
    return dict(zip(headings, (_difference_of(row, paired), p), strict=True))


def _cells_of(board: Standings, row: ScoreRow) -> dict[str, str | None]:
    """Return a row as texts by heading; None for what is not known."""
    scores = row.scores
    paired = row.comparison
    tokens = scores.tokens and round(scores.tokens.per_answer)
    numbers = {"tokens": tokens, "cut": scores.truncated, "dollars": scores.cost_usd}
    return {
        "benchmark": benchmark_name(row.benchmark),
        "model": board.shown(row.model),
        "tasks": f"{scores.n:,}",
        "pass@1": share(scores.pass_at_1),
        "95% interval": shares(scores.ci95),
        "seeds": str(row.seeds) if row.seeds > 1 else None,
        "std": None if row.spread is None else share(row.spread),
        **{
            f"pass@{k}": f"{share(score)} {shares(ci95)}{_on_fewer(n, scores)}" if ci95 else share(score)
            for k, (score, ci95, n) in scores.of_other_k.items()
        },
        **_comparison_cells(row, paired, f"against {board.shown(board.first)}", "p"),
        **_comparison_cells(row, row.previous, "against the one before", "p (before)"),
        "kept": kept_percent(paired.kept) if paired and paired.kept else None,
        **{name: None if number is None else readable(number) for name, number in numbers.items()},
    }


def _on_fewer(n: int | None, scores: ScoreRecord) -> str:
    """Return a number of tasks, such as ` on 12`, where pass@1 is of more."""
    return f" on {n:,}" if n and n < scores.n else ""
