"""Standings of a leaderboard: scores of several models, each compared with the first one on the same tasks."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import EvaluationSetting
from iterpref_core.evaluation.report.comparisons import compare_with_first
from iterpref_core.evaluation.report.labels import benchmark_name
from iterpref_core.evaluation.report.number_formats import interval, p_value, points, readable, share
from iterpref_core.evaluation.report.score_rows import ScoreRow
from iterpref_core.records.errors import IterPrefError
from iterpref_core.records.results import Incomplete, ModelResults
from iterpref_core.storage.jsonl import atomic_writer

HEADINGS = ("benchmark", "model", "tasks", "pass@1", "95% interval", "points against {}", "p", "tokens", "dollars")
"""The columns of the table for people. Behind the interval stands one more for each further k."""


def row_to_json(row: ScoreRow) -> dict[str, Any]:
    """Return a row for scripts and for the CSV file; an unknown value is None."""
    paired = row.comparison
    return {
        "benchmark": row.benchmark,
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
        "cost_usd": row.dollars,
    }


def cells_of(row: ScoreRow, further: Sequence[int]) -> list[str]:
    """Return a row as texts for people, below `HEADINGS`, with pass@k for each further k."""
    low, high = row.interval
    against, p = "–", "–"
    if row.comparison is not None:
        against = f"{points(row.comparison.difference)} {interval(row.comparison.ci95)}"
        p = p_value(row.comparison.p_value)
    if row.compared is not None and row.compared < row.n:
        against += f" on {row.compared:,}"
    return [
        benchmark_name(row.benchmark),
        row.model,
        f"{row.n:,}",
        share(row.score),
        f"[{share(low)}, {share(high)}]",
        *("–" if k not in row.of_other_k else share(row.of_other_k[k]) for k in further),
        against,
        p,
        "–" if row.tokens is None else readable(round(row.tokens)),
        "–" if row.dollars is None else readable(row.dollars),
    ]


@dataclass(frozen=True)
class Leaderboard:
    """Standings, by benchmark in the order asked for, the best model first.

    Attributes:
        first: the model that the others are compared with.
        standings: a row for each model and benchmark.
        unmeasured: sentences on benchmarks that a model has no score on.
        incomplete: in some of them answers are missing.
        failure: why some models have no score; None if all were measured.
    """

    first: str
    standings: tuple[ScoreRow, ...]
    unmeasured: tuple[str, ...]
    incomplete: bool
    failure: IterPrefError | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the leaderboard for scripts."""
        return {
            "first": self.first,
            "standings": [row_to_json(row) for row in self.standings],
            "unmeasured": list(self.unmeasured),
        }

    def markdown(self) -> str:
        """Return the table as Markdown, with columns that are straight in a terminal, too."""
        further = sorted({k for standing in self.standings for k in standing.of_other_k})
        names = [heading.format(self.first) for heading in HEADINGS]
        rows = [[*names[:5], *(f"pass@{k}" for k in further), *names[5:]]]
        for standing in self.standings:
            cells = cells_of(standing, further)
            rows.append([cell.replace("|", "\\|") for cell in cells])
        columns = zip(*rows, strict=True)
        widths = [max(map(len, column)) for column in columns]
        table = []
        for row in rows:
            padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            table.append(f"| {' | '.join(padded)} |")
        dashes = ["".ljust(width + 2, "-") for width in widths]
        headings, *others = table
        lines = [headings, f"|{'|'.join(dashes)}|", *others, "", *self.notes]
        return "\n".join(lines) + "\n"

    @property
    def notes(self) -> list[str]:
        """Return the notes that a reader of the numbers needs, a sentence a line."""
        return [
            "Scores are in percent. p-values are not corrected for the number of rows.",
            "The exact McNemar test on the same tasks decides what is better (several samples: a randomization test).",
            "Tokens are those of an answer, on average. Dollars are the price of all answers to the benchmark.",
            *self.unmeasured,
        ]


def write_leaderboard(board: Leaderboard, out: Path) -> None:
    """Write leaderboard.md and leaderboard.csv into a folder."""
    with atomic_writer(out / "leaderboard.md") as file:
        file.write(board.markdown())
    with atomic_writer(out / "leaderboard.csv") as file:
        rows = [row_to_json(row) for row in board.standings]
        columns = dict.fromkeys(name for row in rows for name in row)
        table = csv.DictWriter(file, list(columns), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def rank_models(first: str, measured: Mapping[str, ModelResults], setting: EvaluationSetting) -> Leaderboard:
    """Compare models with the first one, on each benchmark of the setting.

    Args:
        first: the name of the model that the others are compared with; without results of it there are no differences.
        measured: name → results.
        setting: names the benchmarks.

    Raises:
        InputError: two models were measured on different data.
    """
    standings: list[ScoreRow] = []
    unmeasured: dict[tuple[str, str], list[str]] = {}
    incomplete = False
    for benchmark in setting.params.evaluation.benchmarks:
        for name, results in measured.items():
            if benchmark not in results.measured:
                incomplete |= isinstance(results.benchmarks.get(benchmark), Incomplete)
                reason = results.unavailable.get(benchmark, "it was not measured")
                unmeasured.setdefault((name, reason), []).append(benchmark_name(benchmark))
        rows = compare_with_first(benchmark, measured, first)
        standings += sorted(rows, key=lambda row: -row.score)
    notes = [f"{name} has no score on {', '.join(names)}: {reason}." for (name, reason), names in unmeasured.items()]
    return Leaderboard(first, tuple(standings), tuple(notes), incomplete)
