"""Standings of a leaderboard: scores of several models, each compared with the first one on the same tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iterpref_core.benchmarks.benchmark import EvaluationSetting
from iterpref_core.errors import InputError
from iterpref_core.report.comparisons import compare_results
from iterpref_core.report.labels import benchmark_name
from iterpref_core.report.number_formats import interval, p_value, points, readable, share
from iterpref_core.report.score_rows import Difference
from iterpref_core.results import Incomplete, Measured, ModelResults

HEADINGS = ("benchmark", "model", "tasks", "pass@1", "95% interval", "points against {}", "p", "tokens", "dollars")


@dataclass(frozen=True)
class Standing:
    """A model's score on a benchmark, in shares of 1.

    Attributes:
        benchmark: the benchmark's name.
        model: the entrant's name.
        result: the score, its interval, tokens and price.
        difference: the difference to the first model on the tasks that both were judged on; None for that model, and
            where it has no score.
        compared: the number of these tasks.
    """

    benchmark: str
    model: str
    result: Measured
    difference: Difference | None = None
    compared: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the standing for scripts and as a row of the CSV file; what is not known is None."""
        result = self.result
        difference = self.difference
        return {
            "benchmark": self.benchmark,
            "model": self.model,
            "n": result.n,
            "pass_at_1": result.pass_at_1,
            "ci95_low": result.ci95[0],
            "ci95_high": result.ci95[1],
            "difference": difference and difference.value,
            "difference_low": difference and difference.interval[0],
            "difference_high": difference and difference.interval[1],
            "p_value": difference and difference.p,
            "compared": self.compared,
            "tokens_per_answer": result.tokens and result.tokens.per_answer,
            "cost_usd": result.cost_usd,
        }

    def cells(self) -> tuple[str, ...]:
        """Return the standing as texts for people, below `HEADINGS`."""
        row = self.to_json()
        low, high = self.result.ci95
        difference = "–" if self.difference is None else f"{points(self.difference.value)} "
        if self.difference is not None:
            difference += interval(self.difference.interval)
        if self.compared is not None and self.compared < self.result.n:
            difference += f" on {self.compared:,}"
        tokens = row["tokens_per_answer"]
        cost = row["cost_usd"]
        return (
            benchmark_name(self.benchmark),
            self.model,
            f"{self.result.n:,}",
            share(self.result.pass_at_1),
            f"[{share(low)}, {share(high)}]",
            difference,
            "–" if self.difference is None else p_value(self.difference.p),
            "–" if tokens is None else readable(round(tokens)),
            "–" if cost is None else readable(cost),
        )


@dataclass(frozen=True)
class Leaderboard:
    """Standings, by benchmark in the order asked for, the best model first.

    Attributes:
        first: the model that the others are compared with.
        standings: a row for each model and benchmark.
        unmeasured: sentences on benchmarks that a model has no score on.
        incomplete: in some of them answers are missing.
    """

    first: str
    standings: tuple[Standing, ...]
    unmeasured: tuple[str, ...]
    incomplete: bool

    def to_json(self) -> dict[str, Any]:
        """Return the leaderboard for scripts."""
        return {
            "first": self.first,
            "standings": [standing.to_json() for standing in self.standings],
            "unmeasured": list(self.unmeasured),
        }

    def markdown(self) -> str:
        """Return the table as Markdown, with columns that are straight in a terminal, too."""
        rows = [self.headings, *(standing.cells() for standing in self.standings)]
        escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
        widths = [max(len(row[column]) for row in escaped) for column in range(len(HEADINGS))]
        lines = []
        for row in escaped:
            lines.append("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join([*lines, "", *self.notes]) + "\n"

    @property
    def headings(self) -> tuple[str, ...]:
        """Return the headings of the columns."""
        return tuple(heading.format(self.first) for heading in HEADINGS)

    @property
    def notes(self) -> list[str]:
        """Return what a reader has to know of the numbers, a sentence a line."""
        return [
            "Scores are in percent. p-values are not corrected for the number of rows.",
            "The exact McNemar test on the same tasks decides what is better (several samples: a randomization test).",
            "Tokens are those of an answer, on average. Dollars are the price of all answers to the benchmark.",
            *self.unmeasured,
        ]


def rank_models(first: str, measured: Mapping[str, ModelResults], setting: EvaluationSetting) -> Leaderboard:
    """Compare models with the first one, on each benchmark of the setting.

    Args:
        first: the name of the model that the others are compared with; without results of it there are no differences.
        measured: name → results.
        setting: the benchmarks, and the bootstrap.

    Raises:
        InputError: two models were measured on different data.
    """
    evaluation = setting.params.evaluation
    standings: list[Standing] = []
    unmeasured: dict[tuple[str, str], list[str]] = {}
    incomplete = False
    for benchmark in evaluation.benchmarks:
        rows = []
        base = measured[first].measured.get(benchmark) if first in measured else None
        for name, results in measured.items():
            result = results.measured.get(benchmark)
            if result is None:
                incomplete |= isinstance(results.benchmarks.get(benchmark), Incomplete)
                reason = results.unavailable.get(benchmark, "it was not measured")
                unmeasured.setdefault((name, reason), []).append(benchmark_name(benchmark))
                continue
            if base is None or name == first:
                rows.append(Standing(benchmark, name, result))
                continue
            _check_same_data(benchmark, (first, base), (name, result))
            comparison = compare_results(result, base, (), evaluation.bootstrap, evaluation.seed)
            compared = comparison.n if comparison else 0
            rows.append(Standing(benchmark, name, result, Difference.of(comparison), compared))
        standings += sorted(rows, key=lambda row: -row.result.pass_at_1)
    notes = [f"{name} has no score on {', '.join(names)}: {reason}." for (name, reason), names in unmeasured.items()]
    return Leaderboard(first, tuple(standings), tuple(notes), incomplete)


def _check_same_data(benchmark: str, base: tuple[str, Measured], other: tuple[str, Measured]) -> None:
    (first, ours), (name, theirs) = base, other
    if ours.data.sha256 != theirs.data.sha256:
        raise InputError(
            f"{benchmark}: {name} and {first} were measured on different data ({theirs.data.sha256[:12]}, "
            f"{ours.data.sha256[:12]}); evaluate both on the same file"
        )
