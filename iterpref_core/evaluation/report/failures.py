"""Count failures by kind (exceptions, wrong answers, timeouts) and model."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from iterpref_core.evaluation.report.labels import MAIN_BENCHMARK, MODELS, benchmark_name, in_order, model_name
from iterpref_core.evaluation.report.score_rows import measured_benchmarks
from iterpref_core.evaluation.report.summary_record import Summary


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


def failure_kinds(errors: Mapping[str, int], exceptions: Mapping[str, int] | None) -> dict[str, int]:
    """Return kind → failed programs. A kind is a verdict, or the exception's name if it is known.

    >>> failure_kinds({"exception": 2, "wrong_answer": 3}, {"KeyError": 3})
    {'KeyError': 3, 'wrong_answer': 2}
    """
    others = {kind: number for kind, number in errors.items() if kind != "passed"}
    if exceptions is None:
        return others
    # An exception inside a unit test fails the test: these programs count as wrong answers.
    within_tests = sum(exceptions.values()) - others.pop("exception", 0)
    rest = others.pop("wrong_answer", 0) - within_tests
    kinds = dict(exceptions)
    if rest:
        kinds["wrong_answer"] = rest
    return kinds | others


def failure_tables(summary: Summary) -> list[FailureTable]:
    """Return one table for every benchmark with a failed program, the main benchmark first."""
    tables = []
    for benchmark in measured_benchmarks(summary):
        counts: dict[str, dict[str, int]] = {}
        shares: dict[str, float] = {}
        totals: Counter[str] = Counter()
        for model in in_order(set(summary.models), MODELS):
            scores = summary.models[model].get(benchmark)
            if scores is None:
                continue
            found = failure_kinds(scores.errors, scores.exceptions)
            counts[model_name(model)] = found
            shares[model_name(model)] = sum(found.values()) / scores.samples
            totals.update(found)
        kinds = sorted((kind for kind, number in totals.items() if number), key=lambda kind: (-totals[kind], kind))
        if kinds:
            tables.append(FailureTable(benchmark_name(benchmark), benchmark == MAIN_BENCHMARK, kinds, counts, shares))
    return tables
