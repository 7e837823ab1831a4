"""Open a benchmark by the folder that its row of the benchmark table names."""

from importlib import import_module
from itertools import islice
from typing import Any

from iterpref_core.records import BENCHMARKS, BenchmarkName, DataUnavailableError

from .benchmark import Benchmark, EvaluationSetting


def open_benchmark(name: BenchmarkName, setting: EvaluationSetting) -> Benchmark[Any]:
    """Open the benchmark of this name.

    Raises:
        DataUnavailableError: the benchmark's data cannot be had here.
        InputError: the problems of `heldout` or `validation` cannot be used.
    """
    suite = import_module(f"{__package__}.{BENCHMARKS[name].suite}.suite")
    benchmark: Benchmark[Any] = suite.open_suite(name, setting)
    first_tasks = islice(benchmark.tasks.items(), setting.limit)
    benchmark.tasks = dict(first_tasks)
    benchmark.limit = setting.limit
    benchmark.k = setting.params.evaluation.k
    return benchmark


def check_some_benchmark(setting: EvaluationSetting) -> None:
    """Open the first benchmark whose data can be had here: a measurement goes on without the others.

    Raises:
        DataUnavailableError: none can be had.
        InputError: the data of that one are broken.
    """
    reasons = {}
    for name in setting.params.evaluation.benchmarks:
        try:
            open_benchmark(name, setting)
        except DataUnavailableError as error:
            reasons[str(error)] = name
        else:
            return
    raise DataUnavailableError("; ".join(reasons))
