"""Existing samples: a file's programs, or a benchmark's own solutions, scored without a model."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterpref_core.answers.extraction import extract_program, lacks_program
from iterpref_core.benchmarks.benchmark import Benchmark
from iterpref_core.benchmarks.program_runs import own_samples, run_own_solutions, run_samples, times_of
from iterpref_core.benchmarks.suite_table import EvaluationSetting
from iterpref_core.config import Benchmark as BenchmarkName
from iterpref_core.errors import InputError
from iterpref_core.evaluation.answer_reading import count_without_program
from iterpref_core.evaluation.evaluation import run_benchmarks
from iterpref_core.evaluation.scores import Evaluated, make_entry
from iterpref_core.execution import warn_of_prose, whole_program
from iterpref_core.records import Sample
from iterpref_core.storage.jsonl import read_jsonl

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SamplesFile:
    """A file of samples, and how it is read: as `score_samples` says."""

    path: Path
    extract: bool
    partial: bool


def score_samples(
    path: Path | None,
    names: Sequence[BenchmarkName],
    setting: EvaluationSetting,
    out: Path,
    *,
    extract: bool = False,
    partial: bool = False,
) -> dict[str, float]:
    """Score the samples of a file, or with None each benchmark's own solutions (a problem's reference).

    Rows of other tasks are passed over. In the results the model is called as the file, or `ground-truth`.

    Args:
        path: JSONL of `Sample`.
        names: the benchmarks.
        setting: limits, data and caches.
        out: folder for results.json and samples/<benchmark>.jsonl.
        extract: the samples are answers, and their programs are found as in a model's answers.
        partial: some tasks may be without a sample; then the scores are of the others.

    Raises:
        InputError: the file is broken, or some task has no sample or solution.
        DataUnavailableError: no benchmark's data can be had here.
    """
    samples = None if path is None else SamplesFile(path, extract=extract, partial=partial)

    def score(benchmark: Benchmark[Any]) -> Evaluated:
        if samples is None:
            own = own_samples(benchmark)
            _check_complete(benchmark, own, f"{benchmark.name}: no solution (field 'reference')")
            return score_existing(benchmark, own, setting.cache)
        # One file may hold samples of HumanEval and MBPP, and is read for each benchmark.
        known = [sample for sample in read_jsonl(samples.path, Sample) if sample.task_id in benchmark.tasks]
        total = len(benchmark.tasks)
        if samples.partial and known:
            sampled = {sample.task_id for sample in known}
            benchmark.tasks = {name: task for name, task in benchmark.tasks.items() if name in sampled}
        remedy = "add them" if samples.partial else "add them, or score the others alone with --partial"
        _check_complete(benchmark, known, f"{samples.path}: no sample", remedy)
        evaluated = score_existing(benchmark, known, setting.cache, samples)
        scored = len(benchmark.tasks)
        if scored == total:
            return evaluated
        logger.warning("%s: the score is of %s tasks of %s (--partial)", benchmark.name, scored, total)
        entry = evaluated.entry | {"partial": {"tasks": total}}
        return Evaluated(entry, evaluated.samples)

    return run_benchmarks(
        {"model": path.stem if path else "ground-truth"},
        names,
        score,
        setting,
        out,
    )


def _check_complete(
    benchmark: Benchmark[Any],
    known: Sequence[Sample],
    lacking: str,
    remedy: str = "add them",
) -> None:
    if missing := sorted(benchmark.tasks.keys() - {sample.task_id for sample in known}):
        raise InputError(
            f"{lacking} for {len(missing)} of {len(benchmark.tasks)} tasks of {benchmark.name}, such as "
            f"{missing[0]}; {remedy}"
        )


def score_existing(
    benchmark: Benchmark[Any],
    samples: Sequence[Sample],
    cache: Path,
    file: SamplesFile | None = None,
) -> Evaluated:
    """Score programs that are there.

    A `completion` goes on with its task's prompt, if that is the prefix of a program.

    Args:
        benchmark: the suite.
        samples: programs for its tasks.
        cache: folder where the verdicts on the benchmark's own solutions are kept.
        file: the file of the samples; None for the benchmark's own solutions.
    """
    tasks = [benchmark.tasks[sample.task_id] for sample in samples]
    prefixes = [benchmark.completion_prefix(task) for task in tasks]
    texts = [sample.solution or sample.completion or "" for sample in samples]
    extract = file is not None and file.extract
    programs = []
    for sample, task, prefix in zip(samples, tasks, prefixes, strict=True):
        # A completion goes on with its prompt, also where the program is to be found in it.
        whole_text = whole_program(prefix, sample)
        found = extract_program(whole_text, benchmark.entry_point(task)) if extract else whole_text
        programs.append(found or "")
    if file is not None and not extract:
        completed = zip(samples, prefixes, strict=True)
        warn_of_prose(file.path, {sample.task_id: text for sample, text in completed if sample.solution is None})
        _warn_of_answers(benchmark, file.path, tasks, programs)
    whole = [
        Sample(task_id=sample.task_id, solution=program) for sample, program in zip(samples, programs, strict=True)
    ]
    with benchmark.open_executor() as executor:
        own_runs = run_own_solutions(benchmark, executor, cache)
        runs = run_samples(benchmark, executor, whole, times_of(own_runs), "score")
    entry = make_entry(benchmark, whole, runs, own_runs) | {"isolation": executor.isolation}
    if file is not None:
        entry["answers"] = count_without_program(benchmark, tasks, texts, programs, runs)
    if extract:
        entry["extracted"] = True
    return Evaluated(entry, tuple(whole))


def _warn_of_answers(
    benchmark: Benchmark[Any],
    path: Path,
    tasks: Sequence[Any],
    programs: Sequence[str],
) -> None:
    """Say how many samples are answers with a program in them, which would have to be extracted."""
    count = 0
    for task, program in zip(tasks, programs, strict=True):
        if "```" not in program and "~~~" not in program and "[PYTHON]" not in program:
            continue
        found = extract_program(program, benchmark.entry_point(task))
        count += found is not None and found != program and not lacks_program(found)
    if count:
        logger.warning(
            "%s: %s of %s samples of %s are answers with a program in a fence, and are run as they stand; "
            "--extract reads the programs",
            path,
            f"{count:,}",
            f"{len(programs):,}",
            benchmark.name,
        )
