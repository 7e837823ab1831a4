"""Program runs: the outcomes of a benchmark's samples, and of its canonical solutions."""

import hashlib
import json
import logging
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from iterpref_core.benchmarks.benchmark import Benchmark, ProgramRun
from iterpref_core.execution import Engine
from iterpref_core.progress import show_progress
from iterpref_core.records import Sample
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.make_once import make_once

logger = logging.getLogger(__name__)

JUDGED_BY = ("iterpref_core.benchmarks", "iterpref_core.execution")
"""The code that decides verdicts."""

UNJUDGED = ProgramRun(
    "infra_error",
    "the task's canonical solution fails here, so it is not known what is right",
    "",
    0.0,
)


def run_samples(
    benchmark: Benchmark[Any],
    executor: Engine,
    samples: Sequence[Sample],
    reference_s: Mapping[str, float],
    label: str,
) -> list[ProgramRun]:
    """Run samples, with a progress bar, and return the outcome of each, in order.

    Args:
        benchmark: the suite.
        executor: runs programs.
        samples: whole programs.
        reference_s: task_id → CPU seconds of its canonical solution.
        label: for the progress bar.
    """

    def run(index: int) -> ProgramRun:
        sample = samples[index]
        task = benchmark.tasks[sample.task_id]
        code = sample.solution or ""
        outcome = None
        cpu_s = 0.0
        # LiveCodeBench has a program for each test: the first one that fails decides.
        for program in benchmark.candidate(task, code, reference_s.get(sample.task_id)):
            outcome = executor.run_one(program)
            cpu_s += outcome.cpu_s
            if outcome.verdict != "passed":
                break
        if outcome is None:
            return UNJUDGED
        return ProgramRun(outcome.verdict, outcome.feedback, outcome.exception, cpu_s, outcome.inside)

    # All samples of a task come together: its tests may be large, and are made once for all of them.
    place = {task_id: number for number, task_id in enumerate(benchmark.tasks)}
    order = sorted(range(len(samples)), key=lambda index: place[samples[index].task_id])
    runs: dict[int, ProgramRun] = {}
    with show_progress(f"{benchmark.name}: {label}", len(samples)) as advance:
        for index, finished in executor.each(order, run):
            runs[index] = finished
            advance(1)
    return [runs[index] for index in range(len(samples))]


def run_canonical_solutions(
    benchmark: Benchmark[Any],
    executor: Engine,
    cache: Path,
) -> dict[str, ProgramRun]:
    """Return the outcomes of a suite's canonical solutions, by task_id; a warning names one that fails.

    They run once on a machine, also where several evaluations run at the same time, and are read afterwards. Another
    machine runs them again: the seconds of a solution decide the limits of samples. A solution may take as long as a
    sample whose reference takes all of its limit. They do not run here where opening the suite's engine has run them.

    Args:
        benchmark: the suite.
        executor: runs programs.
        cache: folder where outcomes are kept.
    """
    runs = benchmark.canonical_runs()
    if runs is None:
        runs = _kept_runs(benchmark, executor, cache)
    failed = [task_id for task_id, run in runs.items() if run.verdict != "passed"]
    if failed:
        message = "%s: %s of the benchmark's canonical solutions fail, such as %s; results.json names them"
        logger.warning(message, benchmark.name, len(failed), failed[0])
    return dict(runs)


def _kept_runs(
    benchmark: Benchmark[Any],
    executor: Engine,
    cache: Path,
) -> dict[str, ProgramRun]:
    """Return the outcomes of canonical solutions from the cache, and run them if they are not there."""
    samples = canonical_samples(benchmark)
    if not samples:
        return {}
    limits = dict.fromkeys(benchmark.tasks, benchmark.execution.cpu_s)

    def run_all(partial: Path) -> None:
        outcomes = run_samples(benchmark, executor, samples, limits, "canonical solutions")
        runs = {}
        for sample, outcome in zip(samples, outcomes, strict=True):
            runs[sample.task_id] = outcome
        partial.write_text(json.dumps(runs, indent=1), encoding="utf-8")

    key = _key(benchmark, executor, samples)
    path = make_once(cache / f"canonical-solutions-{key}.json", run_all)
    kept = json.loads(path.read_text(encoding="utf-8"))
    runs = {task_id: ProgramRun(*fields) for task_id, fields in kept.items()}
    if any(run.verdict == "infra_error" for run in runs.values()):
        # The machine may have been short of memory, so they run again in the next evaluation.
        path.unlink(missing_ok=True)
    return runs


def _key(benchmark: Benchmark[Any], executor: Engine, samples: Sequence[Sample]) -> str:
    """Return a digest of all that decides the outcomes of a benchmark's canonical solutions, and their seconds."""
    programs = "\n".join(sample.to_json() for sample in samples)
    _, data_sha256 = benchmark.data
    decisive = [
        benchmark.harness,
        data_sha256,
        hashlib.sha256(programs.encode()).hexdigest(),
        benchmark.limits,
        executor.isolation,
    ]
    machine = [
        platform.node(),
        platform.machine(),
        code_digest(*JUDGED_BY),
    ]
    text = json.dumps([decisive, list(benchmark.identity), machine], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def times_of(canonical_runs: Mapping[str, ProgramRun]) -> dict[str, float]:
    """Return the CPU seconds of each of a suite's canonical solutions that passes, by task_id."""
    return {task_id: run.cpu_s for task_id, run in canonical_runs.items() if run.verdict == "passed"}


def canonical_samples(benchmark: Benchmark[Any]) -> list[Sample]:
    """Return the suite's canonical solutions as samples, for the tasks that have one."""
    solutions = {task_id: benchmark.canonical_solution(task) for task_id, task in benchmark.tasks.items()}
    return [Sample(task_id=task_id, solution=text) for task_id, text in solutions.items() if text is not None]
