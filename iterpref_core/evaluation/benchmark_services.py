"""Benchmark services: which code measures a benchmark; those that ask for the same programs are measured together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from iterpref_core.config import Benchmark, ExecutionParams, LiveCodeBenchParams
from iterpref_core.evaluation.answerer import Answerer
from iterpref_core.evaluation.bigcodebench_benchmarks import BigCodeBench, subset_of
from iterpref_core.evaluation.evalplus_benchmarks import EvalPlus, dataset_of
from iterpref_core.evaluation.heldout import Heldout
from iterpref_core.evaluation.livecodebench import LiveCodeBench
from iterpref_core.evaluation.program_runs import Journals
from iterpref_core.evaluation.scores import Evaluated
from iterpref_core.records import Sample


class BenchmarkService(Protocol):
    """Benchmarks on one machine that share their tasks."""

    @property
    def task_ids(self) -> tuple[str, ...]:
        """All tasks, in the order of the file."""
        ...

    def evaluate(
        self, benchmarks: Sequence[Benchmark], answerer: Answerer, *, instruct: bool
    ) -> dict[Benchmark, Evaluated]:
        """Score the benchmark's own solutions, then ask the model for programs and score them.

        `instruct`: it is asked as a chat model.
        """
        ...

    def score(self, benchmarks: Sequence[Benchmark], samples: Sequence[Sample]) -> dict[Benchmark, Evaluated]:
        """Score existing programs, as they are; they must cover every task."""
        ...

    def ground_truth_samples(self) -> tuple[Sample, ...]:
        """The benchmark's own solutions as samples.

        Raises:
            InputError: there are none.
        """
        ...


@dataclass(frozen=True)
class Setup:
    """What services are opened with.

    Attributes:
        problems: JSONL of problems, for the benchmarks `heldout` and `validation`.
        livecodebench: release and window.
        execution: limits, and how many programs run at once.
        cache: folder for benchmark data, expected results and the verdicts on the benchmarks' own solutions.
        journals: where is kept what this evaluation has run.
    """

    problems: Path
    livecodebench: LiveCodeBenchParams
    execution: ExecutionParams
    cache: Path
    journals: Journals


def group(benchmarks: Sequence[Benchmark]) -> list[list[Benchmark]]:
    """Benchmarks that are measured together, in the order in which they are measured.

    >>> group(["mbpp", "heldout", "mbpp+", "bigcodebench-full-complete"])
    [['mbpp', 'mbpp+'], ['heldout'], ['bigcodebench-full-complete']]
    """
    groups: dict[str, list[Benchmark]] = {}
    for benchmark in benchmarks:
        shared = benchmark.rpartition("-")[0] if benchmark.startswith("bigcodebench-") else benchmark.rstrip("+")
        groups.setdefault(shared, []).append(benchmark)
    return list(groups.values())


def open_service(benchmark: Benchmark, setup: Setup) -> BenchmarkService:
    """The service of a benchmark.

    Raises:
        DataUnavailableError: its data cannot be had here.
        InputError: the problems of `heldout` or `validation` cannot be used.
    """
    rest = setup.execution, setup.journals
    if benchmark in ("heldout", "validation"):
        return Heldout(setup.problems, setup.cache / "heldout", *rest, split=benchmark)
    if benchmark == "livecodebench":
        return LiveCodeBench(setup.livecodebench, *rest)
    if benchmark.startswith("bigcodebench-"):
        return BigCodeBench(subset_of(benchmark), setup.cache / "bigcodebench", *rest)
    return EvalPlus(dataset_of(benchmark), setup.cache / "evalplus", *rest)
