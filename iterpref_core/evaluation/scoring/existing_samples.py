"""Existing samples: programs of a file, or a benchmark's solutions, scored without a model."""

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, EvaluationSetting, PromptMode
from iterpref_core.evaluation.benchmarks.program_runs import canonical_samples, run_canonical_solutions
from iterpref_core.evaluation.evaluation.answer_reading import read_answers
from iterpref_core.evaluation.evaluation.evaluation import Programs, measure, run_benchmarks
from iterpref_core.evaluation.evaluation.scores import Evaluated, make_result
from iterpref_core.execution import whole_program
from iterpref_core.programs.answers.extraction import extract_program, lacks_program
from iterpref_core.records import Sample
from iterpref_core.records.errors import InputError, UnansweredError
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
    setting: EvaluationSetting,
    out: Path,
    *,
    extract: bool = False,
    partial: bool = False,
) -> dict[str, float]:
    """Score the samples of a file, or with None each benchmark's canonical solutions (a problem's reference).

    Rows of other tasks are passed over. In the results the model is called as the file, or `ground-truth`.

    Args:
        path: JSONL of samples.
        setting: benchmarks, limits, data and caches.
        out: folder for results.json and samples/<benchmark>.jsonl.
        extract: the samples are answers, and their programs are found as in a model's answers.
        partial: some tasks may be without a sample; then the scores are of the others.

    Raises:
        InputError: the file is broken, or some task has no sample or solution. If none of a benchmark has one, the
            other benchmarks are scored before.
        DataUnavailableError: no benchmark's data can be had here.
    """
    if path is None:
        return run_benchmarks(
            "ground-truth", None, functools.partial(score_canonical, cache=setting.cache), setting, out
        )
    file = SamplesFile(path, extract=extract, partial=partial)

    def score(benchmark: Benchmark[Any]) -> Evaluated:
        return score_file(benchmark, file, setting.cache)

    return run_benchmarks(path.stem, None, score, setting, out)


def score_canonical(benchmark: Benchmark[Any], cache: Path) -> Evaluated:
    """Score a benchmark's canonical solutions; see `run_canonical_solutions`.

    Raises:
        InputError: some task has no solution.
    """
    samples = canonical_samples(benchmark)
    _check_complete(benchmark, samples, f"{benchmark.name}: no solution (field 'reference')")
    with benchmark.open_executor() as executor:
        runs = run_canonical_solutions(benchmark, executor, cache)
    names = list(runs)
    outcomes = list(runs.values())
    result = make_result(benchmark, names, outcomes, runs, executor.isolation)
    return Evaluated(result, tuple(samples))


def score_file(benchmark: Benchmark[Any], file: SamplesFile, cache: Path) -> Evaluated:
    """Score the samples that a file has for a benchmark.

    Raises:
        UnansweredError: no task has a sample.
        InputError: the file is broken, or some task has no sample.
    """
    # One file may hold samples of HumanEval and MBPP, and is read for each benchmark.
    known = [sample for sample in read_jsonl(file.path, Sample) if sample.task_id in benchmark.tasks]
    total = len(benchmark.tasks)
    if not known:
        raise UnansweredError(
            f"{file.path}: no sample for any of {total} tasks of {benchmark.name}; check their task_id"
        )
    if file.partial:
        sampled = {sample.task_id for sample in known}
        benchmark.tasks = {name: task for name, task in benchmark.tasks.items() if name in sampled}
    remedy = "add them" if file.partial else "add them, or score the others alone with --partial"
    _check_complete(benchmark, known, f"{file.path}: no sample", remedy)
    programs = read_samples(benchmark, known, file)
    scored = len(benchmark.tasks)
    if scored < total:
        logger.warning("%s: the score is of %s tasks of %s (--partial)", benchmark.name, scored, total)
        programs = replace(programs, about={**programs.about, "partial": {"tasks": total}})
    return measure(benchmark, lambda: programs, cache)


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


def read_samples(benchmark: Benchmark[Any], samples: Sequence[Sample], file: SamplesFile) -> Programs:
    """Return the programs in a file's samples.

    A `completion` goes on with its task's prompt, if that is the prefix of a program, also where the program has to be
    found in it. An answer is read as that of a model behind an endpoint, which answers a chat.

    Args:
        benchmark: the suite.
        samples: the file's samples, for tasks of the suite.
        file: the file, and how it is read.
    """
    tasks = [benchmark.tasks[sample.task_id] for sample in samples]
    originals = [sample.solution or sample.completion or "" for sample in samples]
    texts = []
    for task, sample in zip(tasks, samples, strict=True):
        texts.append(whole_program(benchmark.completion_prefix(task), sample))
    answers = list(zip(tasks, texts, strict=True))
    if file.extract:
        read = read_answers(benchmark, answers, PromptMode(instruct=True))
        return Programs(tasks, originals, read.programs, counts=read.counts, about={"extracted": True})
    _warn_of_answers(benchmark, file.path, answers)
    return Programs(tasks, originals, texts)


def _warn_of_answers(
    benchmark: Benchmark[Any],
    path: Path,
    programs: Sequence[tuple[Any, str]],
) -> None:
    """Say how many samples are answers with a program in them, which would have to be extracted."""
    count = 0
    for task, program in programs:
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
