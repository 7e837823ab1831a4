"""Hold scores as typed rows, for the page, the terminal, the CSV files and the cards."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from iterpref_core.records import BENCHMARKS

from ..statistics.comparison import Comparison, ScoreDifference
from .display_names import DIFFICULTIES, MAIN_BENCHMARK, MODELS, benchmark_name, in_order
from .summary_record import BenchmarkScores, Summary


@dataclass(frozen=True)
class ScoreRow:
    """The scores of a model on a benchmark or a part of it.

    Attributes:
        model: base, debugger or an objective; or the name of an entrant of a leaderboard.
        benchmark: the benchmark's name.
        scores: the scores, as summary.json has them.
        part: empty for all tasks, else a difficulty.
        comparison: with the first model of the table, which is base in the report; None for that model, if it was
            not measured or shares no task, and for a part.
        previous: with the model before it, where that was asked for.
        seeds: the number of trainings that the scores are means over.
        spread: the standard deviation of pass@1 over several of them.
        best: the score is the highest of its benchmark, and significantly above the next one.
    """

    model: str
    benchmark: str
    scores: BenchmarkScores
    part: str = ""
    comparison: ScoreDifference | None = None
    previous: ScoreDifference | None = None
    seeds: int = 1
    spread: float | None = None
    best: bool = False


def score_rows(summary: Summary) -> list[ScoreRow]:
    """Return all scores of a summary, in the order of the results table; the parts of a benchmark follow the whole."""
    rows: list[ScoreRow] = []
    for model in in_order(summary.models, MODELS):
        for benchmark in in_order(summary.models[model], BENCHMARKS):
            scores = summary.models[model][benchmark]
            rows.append(ScoreRow(model, benchmark, scores, comparison=compared(summary, model, "base", benchmark)))
            parts = scores.parts or {}
            for part in in_order(parts, DIFFICULTIES):
                of_part = BenchmarkScores.model_validate(dict(parts[part]) | {"samples": 0, "errors": {}})
                rows.append(ScoreRow(model, benchmark, of_part, part))
    return rows


def tables_of(rows: Iterable[ScoreRow]) -> dict[str, list[ScoreRow]]:
    """Return a table for each benchmark, and for each difficulty of one, by a title such as `MBPP+, 378 tasks`.

    The number of tasks is in the title if it is the same for all models.
    """
    tables: dict[tuple[str, str], list[ScoreRow]] = {}
    for row in rows:
        tables.setdefault((row.benchmark, row.part), []).append(row)
    titled = {}
    for benchmark in in_order({name for name, _ in tables}, BENCHMARKS):
        for (name, part), of_table in tables.items():
            if name == benchmark:
                counts = {row.scores.n for row in of_table}
                tasks = f"{counts.pop():,} tasks" if len(counts) == 1 else ""
                titled[", ".join(filter(None, (benchmark_name(name), part, tasks)))] = of_table
    return titled


def smallest_decided_difference(rows: Iterable[ScoreRow]) -> float | None:
    """Return the difference that so many tasks can show; None without a comparison.

    A difference is decided if its interval leaves 0 out, which is if it is larger than its distance to the end on the
    side of 0. The rows have different distances: this is their median, and no more than a difference that is decided.
    Comparisons with too few seeds for a p, whose spread is of two numbers, do not count.
    """
    compared = [row.comparison for row in rows if row.comparison and row.comparison.p_value is not None]
    distances = [
        each.difference - each.ci95[0] if each.difference > 0 else each.ci95[1] - each.difference for each in compared
    ]
    decided = [abs(each.difference) for each in compared if each.effect]
    return min([median(distances), *decided]) if distances else None


def main_rows(summary: Summary) -> dict[str, ScoreRow]:
    """Return model → score on the main benchmark."""
    main = main_benchmark(summary)
    return {row.model: row for row in score_rows(summary) if row.benchmark == main and not row.part}


def main_benchmark(summary: Summary) -> str:
    """Return the benchmark that the headline is about: the held-out problems, or else the first that was measured."""
    measured = [name for scores in summary.models.values() for name in scores]
    return MAIN_BENCHMARK if MAIN_BENCHMARK in measured or not measured else measured[0]


def compared(
    summary: Summary,
    model: str,
    against: str,
    benchmark: str | None = None,
) -> Comparison | None:
    """Return the comparison of two models, on the main benchmark unless another is named; or None."""
    by_model = summary.comparisons.get(model, {})
    return by_model.get(against, {}).get(benchmark or main_benchmark(summary))
