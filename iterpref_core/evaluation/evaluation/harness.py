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
from iterpref_core.records import UNDECIDED


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
        """Run programs. One that a limit of tokens has cut, and that does not pass, is `truncated`."""
        outcomes = run_samples(self.benchmark, self.executor, found.samples, times_of(self.canonical))
        if found.truncated is not None:
            # "def f(x):\n    return x +" is no wrong answer of the model's, but one that was not to be ended.
            outcomes = [mark_truncated(run) if cut else run for run, cut in zip(outcomes, found.truncated, strict=True)]
        return Runs(outcomes, self.canonical, self.executor.isolation)

    def canonical_runs(self) -> Runs:
        """Return the outcomes of the canonical solutions themselves."""
        return Runs(list(self.canonical.values()), self.canonical, self.executor.isolation)


def mark_truncated(run: ProgramRun) -> ProgramRun:
    """Return the outcome of a sample whose answer ended at `max_new_tokens`: `truncated`, if the program was judged."""
    if run.verdict in UNDECIDED:
        return run
    return run._replace(verdict="truncated", exception="")


@contextmanager
def open_harness(benchmark: Benchmark[Any], cache: Path) -> Iterator[Harness]:
    """Open a benchmark's engine, run its canonical solutions, or read their kept outcomes, and yield the harness.

    Args:
        benchmark: the suite.
        cache: folder where the outcomes of canonical solutions are kept.
    """
    with benchmark.open_executor() as executor:
        yield Harness(benchmark, executor, run_canonical_solutions(benchmark, executor, cache))
