"""Harness: runs programs for a benchmark whose canonical solutions have run here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, ProgramRun
from iterpref_core.evaluation.benchmarks.program_runs import run_canonical_solutions, run_samples, times_of
from iterpref_core.evaluation.evaluation.found_programs import FoundPrograms
from iterpref_core.execution import Engine


@dataclass(frozen=True)
class Runs:
    """The outcomes of programs.

    Attributes:
        outcomes: one for each program, in order.
        canonical: task_id → the outcome of the benchmark's canonical solution.
        isolation: the isolation under which the programs ran.
    """

    outcomes: Sequence[ProgramRun]
    canonical: Mapping[str, ProgramRun]
    isolation: str


@dataclass(frozen=True)
class Harness:
    """A benchmark's harness, with the outcomes of its canonical solutions, by task_id."""

    benchmark: Benchmark[Any]
    executor: Engine
    canonical: Mapping[str, ProgramRun]

    def run(self, found: FoundPrograms) -> Runs:
        """Run programs."""
        outcomes = run_samples(self.benchmark, self.executor, found.samples, times_of(self.canonical))
        return Runs(outcomes, self.canonical, self.executor.isolation)

    def canonical_runs(self) -> Runs:
        """Return the outcomes of the canonical solutions themselves."""
        return Runs(list(self.canonical.values()), self.canonical, self.executor.isolation)


@contextmanager
def open_harness(benchmark: Benchmark[Any], cache: Path) -> Iterator[Harness]:
    """Open a benchmark's engine, run its canonical solutions, or read their kept outcomes, and yield the harness.

    Args:
        benchmark: the suite.
        cache: folder where the outcomes of canonical solutions are kept.
    """
    with benchmark.open_executor() as executor:
        yield Harness(benchmark, executor, run_canonical_solutions(benchmark, executor, cache))
