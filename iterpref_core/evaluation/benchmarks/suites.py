"""Open a benchmark by the folder that its row of the benchmark table names."""

from importlib import import_module
from itertools import islice
from typing import Any

from iterpref_core.records import BENCHMARKS, BenchmarkName

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
