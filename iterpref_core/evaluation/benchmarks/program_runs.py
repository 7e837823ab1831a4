"""Program runs: the outcomes of a benchmark's samples, and of its canonical solutions."""

import gzip
import hashlib
import json
import logging
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, ProgramRun
from iterpref_core.execution import Engine
from iterpref_core.records import Sample
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.make_once import make_once
from iterpref_core.storage.progress import show_progress

logger = logging.getLogger(__name__)

JUDGED_BY = ("iterpref_core.evaluation.benchmarks", "iterpref_core.execution")
"""The code that decides verdicts."""
_BY_THE_MACHINE = ("infra_error", "timeout")
"""Verdicts that say something about the machine, too."""

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


def _kept_runs(benchmark: Benchmark[Any], executor: Engine, cache: Path) -> dict[str, ProgramRun]:
    samples = canonical_samples(benchmark)
    if not samples:
        return {}

    def compute() -> Iterator[CanonicalRun]:
        limits = dict.fromkeys(benchmark.tasks, benchmark.execution.cpu_s)
        outcomes = run_samples(benchmark, executor, samples, limits, "canonical solutions")
        for sample, outcome in zip(samples, outcomes, strict=True):
            yield CanonicalRun(sample.task_id, outcome)

    programs = "\n".join(sample.to_json() for sample in samples)
    decisive = [
        benchmark.harness,
        benchmark.data[1],
        hashlib.sha256(programs.encode()).hexdigest(),
        benchmark.limits,
        executor.isolation,
        *benchmark.identity,
    ]
    kept = keep_runs(cache, benchmark.name, decisive, compute)
    return {task_id: found.run for task_id, found in kept.items()}


class CanonicalRun(NamedTuple):
    """The outcome of a canonical solution, under its name, and the values that it returned, where these are wanted."""

    name: str
    run: ProgramRun
    values: list[str] | None = None


def keep_runs(
    cache: Path, data: str, decisive: Sequence[object], compute: Callable[[], Iterable[CanonicalRun]]
) -> dict[str, CanonicalRun]:
    """Return the outcomes of canonical solutions by their names, from a file that is made once on a machine.

    If the machine may have been the reason why one failed, all run again the next time.

    Args:
        cache: the folder of the file.
        data: the name of the benchmark's data.
        decisive: JSON values that decide the outcomes, beside the code and the machine, whose speed decides limits.
        compute: runs the solutions.
    """
    machine = [platform.node(), platform.machine(), code_digest(*JUDGED_BY)]
    key = hashlib.sha256(json.dumps([list(decisive), machine], sort_keys=True).encode()).hexdigest()[:32]

    def write(partial: Path) -> None:
        with gzip.open(partial, "wt", encoding="utf-8", compresslevel=1) as file:
            for found in compute():
                file.write(json.dumps(found) + "\n")

    path = make_once(cache / f"canonical-{data}-{key}.jsonl.gz", write)
    kept = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            name, run, values = json.loads(line)
            kept[name] = CanonicalRun(name, ProgramRun(*run), values)
    if any(found.run.verdict in _BY_THE_MACHINE for found in kept.values()):
        path.unlink(missing_ok=True)
    return kept


def times_of(canonical_runs: Mapping[str, ProgramRun]) -> dict[str, float]:
    """Return the CPU seconds of each of a suite's canonical solutions that passes, by task_id."""
    return {task_id: run.cpu_s for task_id, run in canonical_runs.items() if run.verdict == "passed"}


def canonical_samples(benchmark: Benchmark[Any]) -> list[Sample]:
    """Return the suite's canonical solutions as samples, for the tasks that have one."""
    solutions = {task_id: benchmark.canonical_solution(task) for task_id, task in benchmark.tasks.items()}
    return [Sample(task_id=task_id, solution=text) for task_id, text in solutions.items() if text is not None]
