"""Hold scores as typed rows, for the page, the terminal, the CSV files, the gate and the cards."""

from dataclasses import dataclass
from typing import Any, Self

from iterpref_core.evaluation.report.labels import BENCHMARKS, DIFFICULTIES, MAIN_BENCHMARK, MODELS, in_order
from iterpref_core.evaluation.report.summary_record import BenchmarkScores, Summary
from iterpref_core.evaluation.statistics.comparison import Comparison
from iterpref_core.records.results import ScoreRecord


@dataclass(frozen=True)
class ScoreRow:
    """The score of a model on a benchmark or a part of it, in shares of 1.

    Attributes:
        model: base, debugger or an objective; or the name of an entrant of a leaderboard.
        benchmark: the benchmark's name.
        part: empty for all tasks, else a difficulty.
        n: the number of tasks.
        score: pass@1.
        interval: the 95% interval of `score`.
        of_other_k: k → pass@k, for other k than 1, if several samples were drawn.
        comparison: with the first model of the table, which is base in the report; None for that model, if it was
            not measured or shares no task, and for a part.
        compared: the number of tasks of the comparison; None without a first model.
        inside: of all tasks of a benchmark, those whose tests ran in the program's own process.
        tokens: the mean number of tokens in an answer; None if it is not known.
        cut: the answers that the limit of tokens cut off; None if it is not known.
        dollars: the price of all answers; None if it is not known.
    """

    model: str
    benchmark: str
    part: str
    n: int
    score: float
    interval: tuple[float, float]
    of_other_k: dict[int, float]
    comparison: Comparison | None = None
    compared: int | None = None
    inside: int = 0
    tokens: float | None = None
    cut: int | None = None
    dollars: float | None = None

    @classmethod
    def of(cls, model: str, benchmark: str, scores: ScoreRecord, part: str = "", **further: Any) -> Self:
        """Return the row of a model's scores."""
        return cls(
            model=model,
            benchmark=benchmark,
            part=part,
            n=scores.n,
            score=scores.pass_at_1,
            interval=scores.ci95,
            of_other_k=scores.of_other_k,
            **further,
        )

    @classmethod
    def whole(cls, model: str, benchmark: str, scores: BenchmarkScores, **further: Any) -> Self:
        """Return the row of a model's scores on all tasks of a benchmark."""
        return cls.of(
            model,
            benchmark,
            scores,
            inside=scores.inside or 0,
            tokens=scores.tokens and scores.tokens.per_answer,
            cut=scores.truncated,
            dollars=scores.cost_usd,
            **further,
        )


def score_rows(summary: Summary) -> list[ScoreRow]:
    """Return all scores of a summary, in the order of the results table; the parts of a benchmark follow the whole."""
    rows: list[ScoreRow] = []
    models = summary.models
    for model in in_order(set(models), MODELS):
        benchmarks = in_order(set(models[model]), BENCHMARKS)
        for benchmark in benchmarks:
            scores = models[model][benchmark]
            against_base = compared(summary, model, "base", benchmark)
            rows.append(ScoreRow.whole(model, benchmark, scores, comparison=against_base))
            parts = scores.parts or {}
            rows += [ScoreRow.of(model, benchmark, parts[part], part) for part in in_order(set(parts), DIFFICULTIES)]
    return rows


def main_rows(summary: Summary) -> dict[str, ScoreRow]:
    """Return model → score on held-out problems."""
    return {row.model: row for row in score_rows(summary) if row.benchmark == MAIN_BENCHMARK and not row.part}


def tests_inside(summary: Summary) -> list[tuple[str, int, int]]:
    """Return the benchmarks with tasks whose tests ran in the program's own process: name, these tasks, all tasks."""
    found = {}
    for row in score_rows(summary):
        if row.inside:
            found[row.benchmark] = (row.benchmark, row.inside, row.n)
    return list(found.values())


def measured_benchmarks(summary: Summary) -> list[str]:
    """Return the benchmarks that some model was measured on, in their order."""
    return in_order(set().union(*summary.models.values()), BENCHMARKS)


def compared(
    summary: Summary,
    model: str,
    against: str,
    benchmark: str = MAIN_BENCHMARK,
) -> Comparison | None:
    """Return the comparison of two models, or None."""
    by_model = summary.comparisons.get(model, {})
    return by_model.get(against, {}).get(benchmark)


def unavailable_by_reason(summary: Summary) -> dict[str, list[str]]:
    """Return the reasons why benchmarks could not be measured → the benchmarks, in their order."""
    reasons: dict[str, set[str]] = {}
    for missing in summary.unavailable.values():
        for name, reason in missing.items():
            reasons.setdefault(reason, set()).add(name)
    return {reason: in_order(names, BENCHMARKS) for reason, names in sorted(reasons.items())}
