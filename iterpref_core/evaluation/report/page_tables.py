"""Make the page's tables: every model on every benchmark, as the paper's tables 1 and 10, and how programs fail."""

from collections import Counter
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
from iterpref_core.evaluation.report.summary_record import BenchmarkScores, Summary

Cell = ScoreRow | str
"""A score, or a sign for a missing score."""


@dataclass(frozen=True)
class ScoreTable:
    """A table of scores.

    Attributes:
        headings: one for each column.
        rows: (name of the model, style, cells); the style is `truth`, `focal` or empty.
    """

    headings: list[str]
    rows: list[tuple[str, str, list[Cell]]]


@dataclass(frozen=True)
class FailureTable:
    """The failed programs on one benchmark.

    Attributes:
        name: the benchmark's name.
        main: True for the benchmark that the experiment is about.
        kinds: the kinds of failure, the most frequent first.
        counts: name of a model → kind → failed programs.
        shares: name of a model → the share of all its programs that fail.
    """

    name: str
    main: bool
    kinds: list[str]
    counts: dict[str, dict[str, int]]
    shares: dict[str, float]


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
        sizes[column] = max(row.scores.n, sizes.get(column, 0))
    if sizes.keys() <= {(MAIN_BENCHMARK, "")}:
        return None
    order = in_order({benchmark for benchmark, _ in sizes}, BENCHMARKS)
    # Sorting is stable: the parts of a benchmark keep their order.
    columns = sorted(sizes, key=lambda column: order.index(column[0]))
    headings = []
    truths: list[Cell] = []
    for benchmark, part in columns:
        of_part = f", {part}" if part else ""
        headings.append(f"{benchmark_name(benchmark)}{of_part}, {sizes[benchmark, part]:,} tasks")
        truth = summary.ground_truth.get(benchmark)
        truths.append(f"{truth.passed}/{truth.n}" if truth and not part else "–")
    rows = [("ground truth", "truth", truths)]
    for model in in_order(summary.models, MODELS):
        missing = summary.unavailable.get(model, {})
        cells: list[Cell] = []
        for benchmark, part in columns:
            # "n/a": could not be measured; "–": not asked for.
            without_score = "n/a" if benchmark in missing else "–"
            cells.append(scores.get((model, benchmark, part), without_score))
        rows.append((model_name(model), "focal" if model in FOCAL else "", cells))
    return ScoreTable(headings, rows)


def failure_kinds(scores: BenchmarkScores) -> dict[str, int]:
    """Return kind → failed programs. A kind is a verdict, or the exception's name if it is known."""
    others = dict(scores.errors)
    if scores.exceptions is None:
        return others
    # An exception inside a unit test fails the test: these programs count as wrong answers.
    within_tests = sum(scores.exceptions.values()) - others.pop("exception", 0)
    rest = others.pop("wrong_answer", 0) - within_tests
    wrong = {"wrong_answer": rest} if rest else {}
    return scores.exceptions | wrong | others


def failure_tables(summary: Summary) -> list[FailureTable]:
    """Return one table for every benchmark with a failed program, the main benchmark first."""
    by_benchmark: dict[str, dict[str, BenchmarkScores]] = {}
    for row in score_rows(summary):
        if not row.part:
            by_benchmark.setdefault(row.benchmark, {})[model_name(row.model)] = row.scores
    tables = []
    for benchmark in in_order(by_benchmark, BENCHMARKS):
        counts = {name: failure_kinds(scores) for name, scores in by_benchmark[benchmark].items()}
        shares = {name: sum(counts[name].values()) / of.samples for name, of in by_benchmark[benchmark].items()}
        totals = Counter[str]()
        for found in counts.values():
            totals.update(found)
        kinds = sorted(+totals, key=lambda kind: (-totals[kind], kind))
        if kinds:
            tables.append(FailureTable(benchmark_name(benchmark), benchmark == MAIN_BENCHMARK, kinds, counts, shares))
    return tables
