"""Run a benchmark's samples, and its canonical solutions before them."""

import gzip
import hashlib
import json
import logging
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterpref_core.execution import Engine
from iterpref_core.records import UNDECIDED, Sample, digest_of
from iterpref_core.storage.digests import code_digest
from iterpref_core.storage.make_once import make_once
from iterpref_core.storage.progress import watch

from .benchmark import Benchmark, ProgramRun

logger = logging.getLogger(__name__)

JUDGED_BY = ("iterpref_core.evaluation.benchmarks", "iterpref_core.execution")
"""The code that decides verdicts."""
_BY_THE_MACHINE = ("infra_error", "timeout")
"""Verdicts that depend on the machine as well."""

UNJUDGED = ProgramRun(
    "infra_error",
    "the task's canonical solution fails here, so it is not known what is right",
    "",
    0.0,
)


@dataclass(frozen=True)
class Harness:
    """A benchmark whose canonical solutions have run, and its engine."""

    benchmark: Benchmark[Any]
    executor: Engine

    def run(
        self,
        samples: Sequence[Sample],
        truncated: Sequence[bool] | None = None,
    ) -> list[ProgramRun]:
        """Run whole programs, with a progress bar; return their outcomes in order.

        Args:
            samples: the programs.
            truncated: for each whether a limit of tokens has cut it; None if that is not known. A program that was cut
                and does not pass is `truncated`.
        """

        def run(index: int) -> ProgramRun:
            sample = samples[index]
            canonical = self.benchmark.canonical.get(sample.task_id)
            reference_s = canonical.cpu_s if canonical and canonical.verdict == "passed" else None
            return _run(self.benchmark, self.executor, sample, reference_s)

        # All samples of a task come together: its tests may be large, and are made once for all of them.
        place = {task_id: number for number, task_id in enumerate(self.benchmark.tasks)}
        order = sorted(range(len(samples)), key=lambda index: place[samples[index].task_id])
        runs: dict[int, ProgramRun] = {}
        for index, finished in watch(f"{self.benchmark.name}: score", len(samples), self.executor.each(order, run)):
            # "def f(x):\n    return x +" is not a wrong answer, but an unfinished one.
            runs[index] = mark_truncated(finished) if truncated and truncated[index] else finished
        return [runs[index] for index in range(len(samples))]


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
        run_canonical_solutions(benchmark, executor, cache)
        yield Harness(benchmark, executor)


def _run(
    benchmark: Benchmark[Any],
    executor: Engine,
    sample: Sample,
    reference_s: float | None,
) -> ProgramRun:
    outcome = None
    cpu_s = 0.0
    # LiveCodeBench has a program for each test: the first failure decides.
    for program in benchmark.candidate(benchmark.tasks[sample.task_id], sample.solution or "", reference_s):
        outcome = executor.run_one(program)
        cpu_s += outcome.cpu_s
        if outcome.verdict != "passed":
            break
    if outcome is None:
        return UNJUDGED
    return ProgramRun(outcome.verdict, outcome.feedback, outcome.exception, cpu_s, outcome.inside)


def run_canonical_solutions(benchmark: Benchmark[Any], executor: Engine, cache: Path) -> None:
    """Set `canonical` of a suite, the outcomes of its canonical solutions; a warning names a failing one.

    They run once on a machine, also where several evaluations run at the same time, and are read afterwards. Another
    machine runs them again: the seconds of a solution decide the limits of samples. A solution may take as long as a
    sample whose reference takes all of its limit. If the machine may have been the reason why one failed, all run
    again the next time.

    Args:
        benchmark: the suite.
        executor: runs programs.
        cache: folder where outcomes are kept.
    """
    samples = canonical_samples(benchmark)
    if not samples:
        return

    def run(sample: Sample) -> ProgramRun:
        found = benchmark.run_canonical(benchmark.tasks[sample.task_id], executor)
        return found or _run(benchmark, executor, sample, benchmark.execution.cpu_s)

    def write(partial: Path) -> None:
        ran = watch(f"{benchmark.name}: canonical solutions", len(samples), executor.each(samples, run))
        with gzip.open(partial, "wt", encoding="utf-8", compresslevel=1) as file:
            for sample, found in ran:
                file.write(json.dumps([sample.task_id, found]) + "\n")

    path = make_once(cache / f"canonical-{benchmark.name}-{_key(benchmark, executor, samples)}.jsonl.gz", write)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        benchmark.canonical = {task_id: ProgramRun(*outcome) for task_id, outcome in map(json.loads, file)}
    failed = [task_id for task_id, found in benchmark.canonical.items() if found.verdict != "passed"]
    if any(benchmark.canonical[task_id].verdict in _BY_THE_MACHINE for task_id in failed):
        path.unlink(missing_ok=True)
    if failed:
        message = "%s: %s of the benchmark's canonical solutions fail, such as %s; results.json names them"
        logger.warning(message, benchmark.name, len(failed), failed[0])


def _key(
    benchmark: Benchmark[Any],
    executor: Engine,
    samples: Sequence[Sample],
) -> str:
    """Return a digest of all that decides the outcomes of canonical solutions, the machine's speed among it."""
    programs = "\n".join(sample.to_json() for sample in samples)
    decisive = [
        benchmark.harness,
        benchmark.data[1],
        hashlib.sha256(programs.encode()).hexdigest(),
        benchmark.limits,
        executor.isolation,
        *benchmark.identity,
        platform.node(),
        platform.machine(),
        code_digest(*JUDGED_BY),
    ]
    return digest_of(decisive)


def canonical_samples(benchmark: Benchmark[Any]) -> list[Sample]:
    """Return the suite's canonical solutions as samples, for the tasks that have one."""
    solutions = {task_id: benchmark.canonical_solution(task) for task_id, task in benchmark.tasks.items()}
    return [Sample(task_id=task_id, solution=text) for task_id, text in solutions.items() if text is not None]
