"""Suite table: a line for each suite, which opens its benchmarks, and the setting in which they are measured."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from iterpref_core.benchmark_table import BENCHMARKS
from iterpref_core.benchmarks.benchmark import Benchmark
from iterpref_core.benchmarks.bigcodebench.suite import BigCodeBench
from iterpref_core.benchmarks.evalplus.suite import EvalPlus
from iterpref_core.benchmarks.heldout.suite import Heldout
from iterpref_core.benchmarks.livecodebench.suite import LiveCodeBench
from iterpref_core.config import Benchmark as BenchmarkName
from iterpref_core.config import ExecutionParams, LiveCodeBenchParams
from iterpref_core.statistics.pass_at_k import DEFAULT_K


@dataclass(frozen=True)
class EvaluationSetting:
    """The setting in which benchmarks are measured.

    Attributes:
        problems: JSONL of problems, for the benchmarks `heldout` and `validation`.
        livecodebench: release and window of LiveCodeBench.
        execution: limits, and how many programs run at once.
        cache: folder for expected results and the verdicts on the benchmarks' own solutions; outside of
            anything that DVC deletes.
        limit: tasks of each benchmark, the first ones; None for all.
        k: the values of k for which pass@k is given.
    """

    problems: Path
    livecodebench: LiveCodeBenchParams
    execution: ExecutionParams
    cache: Path
    limit: int | None = None
    k: tuple[int, ...] = DEFAULT_K


SUITES: dict[str, Callable[[BenchmarkName, EvaluationSetting], Benchmark[Any]]] = {
    "heldout": lambda name, setting: Heldout(name, setting.problems, setting.execution),
    "evalplus": lambda name, setting: EvalPlus(name, setting.cache / "evalplus", setting.execution),
    "bigcodebench": lambda name, setting: BigCodeBench(name, setting.execution),
    "livecodebench": lambda _, setting: LiveCodeBench(setting.livecodebench, setting.execution),
}
"""Suite of a row of `benchmark_table.BENCHMARKS` → function that opens the benchmark."""


def open_benchmark(name: BenchmarkName, setting: EvaluationSetting) -> Benchmark[Any]:
    """Open the benchmark of this name.

    Raises:
        DataUnavailableError: the benchmark's data cannot be had here.
        InputError: the problems of `heldout` or `validation` cannot be used.
    """
    open_suite = SUITES[BENCHMARKS[name].suite]
    benchmark = open_suite(name, setting)
    first_tasks = islice(benchmark.tasks.items(), setting.limit)
    benchmark.tasks = dict(first_tasks)
    benchmark.k = setting.k
    return benchmark
