"""Score programs of a file, or a benchmark's solutions, without a model."""

import logging
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from iterpref_core.execution import whole_program
from iterpref_core.programs.answers.extraction import defines, extract_program, lacks_program, without_first_token
from iterpref_core.programs.answers.python_text import STATEMENT
from iterpref_core.records import InputError, ModelResults, Sample, UnansweredError
from iterpref_core.storage.sample_layouts import read_samples

from ..benchmarks.benchmark import Benchmark, EvaluationSetting, ProgramRun, PromptMode
from ..benchmarks.harness import canonical_samples, open_harness
from ..benchmarks.suites import open_benchmark
from ..evaluation.answer_reading import FoundPrograms, read_texts
from ..evaluation.results_file import ResultsFolder
from ..evaluation.scores import summarize

logger = logging.getLogger(__name__)


def score_samples(
    path: Path | None,
    setting: EvaluationSetting,
    out: Path,
    *,
    extract: bool = False,
    partial: bool = False,
) -> ModelResults:
    """Score the samples of a file, or with None each benchmark's canonical solutions (a problem's reference).

    A warning counts rows of other tasks. The model of the results has the name of the file or folder, or
    `ground-truth`.

    Args:
        path: a file or folder that `read_samples` reads.
        setting: benchmarks, limits, data and caches.
        out: folder for results.json and samples/<benchmark>.jsonl.
        extract: the samples are answers, and their programs are found as in a model's answers.
        partial: some tasks may be without a sample; then the scores are of the others.

    Raises:
        InputError: the file is broken, or some task has no sample or solution. If no task of a benchmark has one, the
            other benchmarks are scored before.
        DataUnavailableError: no benchmark's data can be had here.
    """
    samples = [] if path is None else [sample for _, sample in read_samples(path)]
    # Samples of tasks that no benchmark has are counted in a warning.
    unknown = Counter(sample.task_id for sample in samples)
    results = ResultsFolder(out, "ground-truth" if path is None else path.name if path.is_dir() else path.stem)
    for name in setting.params.evaluation.benchmarks:
        with results.entry(name):
            benchmark = open_benchmark(name, setting)
            for task_id in benchmark.tasks:
                unknown.pop(task_id, None)
            if path is None:
                found = find_canonical(benchmark)
            else:
                found = find_programs(benchmark, samples, path, extract=extract, partial=partial)
            with open_harness(benchmark, setting.cache) as harness:
                runs = list(benchmark.canonical.values()) if path is None else harness.run(found.samples)
                results.write(benchmark.name, summarize(harness, found, runs), found.samples)
            scored = (sample for sample in samples if sample.task_id in benchmark.tasks)
            _warn_of_other_verdicts(benchmark, zip(scored, runs, strict=False))
    if unknown:
        remedy = f"--limit scores the first {setting.limit}" if setting.limit else "check --benchmark and their task_id"
        message = "%s: %s samples are of no task that is scored, such as %s; %s"
        logger.warning(message, path, f"{unknown.total():,}", next(iter(unknown)), remedy)
    return results.of_this_run()


def find_canonical(benchmark: Benchmark[Any]) -> FoundPrograms:
    """Return a benchmark's canonical solutions.

    Raises:
        InputError: some task has no solution.
    """
    samples = canonical_samples(benchmark)
    _check_complete(benchmark, samples, f"{benchmark.name}: no solution (field 'reference')", "add them")
    programs = [sample.solution or "" for sample in samples]
    return FoundPrograms(list(benchmark.tasks.values()), programs, programs)


def find_programs(
    benchmark: Benchmark[Any],
    samples: Sequence[Sample],
    path: Path,
    *,
    extract: bool,
    partial: bool,
) -> FoundPrograms:
    """Return the programs that a file has for a benchmark.

    A `completion` continues its task's prompt, if that is the prefix of a program. An answer is read like a chat
    answer of an endpoint.

    Args:
        benchmark: the suite. With `partial` it keeps the tasks that have a sample.
        samples: all samples of the file.
        path: the file, for messages.
        extract: the samples are answers.
        partial: some tasks may be without a sample.

    Raises:
        UnansweredError: no task has a sample.
        InputError: some task has no sample.
    """
    # One file may hold samples of HumanEval and MBPP.
    samples = [sample for sample in samples if sample.task_id in benchmark.tasks]
    total = len(benchmark.tasks)
    if not samples:
        raise UnansweredError(f"{path}: no sample for any of {total} tasks of {benchmark.name}; check their task_id")
    # With --partial the benchmark keeps only the tasks with samples.
    if partial:
        sampled = {sample.task_id for sample in samples}
        benchmark.tasks = {name: task for name, task in benchmark.tasks.items() if name in sampled}
    _check_complete(benchmark, samples, f"{path}: no sample", "add them, or score the others alone with --partial")
    dropped = total - len(benchmark.tasks)
    if dropped:
        logger.warning("%s: the score is of %s tasks of %s (--partial)", benchmark.name, total - dropped, total)
    texts = []
    for sample in samples:
        task = benchmark.tasks[sample.task_id]
        if extract and sample.solution is None:
            text = _answer(benchmark, task, sample.completion or "")
        else:
            text = whole_program(benchmark.completion_prefix(task), sample)
        texts.append((task, text))
    programs = [text for _, text in texts]
    counts: dict[str, int] = {}
    if extract:
        programs, counts = read_texts(benchmark, texts, PromptMode(instruct=True))
    else:
        _warn_of_answers(benchmark, path, texts)
    return FoundPrograms(
        tasks=[task for task, _ in texts],
        texts=[sample.solution or sample.completion or "" for sample in samples],
        programs=programs,
        counts=counts,
        about={"extracted": extract or None, "partial": {"tasks": total} if dropped else None},
    )


def _check_complete(
    benchmark: Benchmark[Any],
    known: Sequence[Sample],
    lacking: str,
    remedy: str,
) -> None:
    if missing := sorted(benchmark.tasks.keys() - {sample.task_id for sample in known}):
        raise InputError(
            f"{lacking} for {len(missing)} of {len(benchmark.tasks)} tasks of {benchmark.name}, such as "
            f"{missing[0]}; {remedy}"
        )


def _answer(benchmark: Benchmark[Any], task: Any, completion: str) -> str:
    """Return the text that has the program of a completion.

    It is the prompt with the completion. But this may hold the whole function, such as in a fence. Then the function
    comes after the prompt, which may have imports for it. Or its fence holds the body of the function.

    Args:
        benchmark: the suite.
        task: the task.
        completion: the completion.
    """
    completion = without_first_token(completion)
    prefix = benchmark.completion_prefix(task)
    entry_point = benchmark.entry_point(task)
    continued = whole_program(prefix, Sample(task_id=task.task_id, completion=completion))
    # A completion that is indented continues the function of the prompt.
    is_body = completion.lstrip("\n").startswith((" ", "\t")) and not STATEMENT.match(completion.lstrip())
    if is_body or not entry_point or continued == completion:
        return continued
    program = extract_program(completion, entry_point)
    if program is None:
        return continued
    # The completion repeats the whole function, which replaces the stub of the prompt.
    if defines(program, entry_point):
        return f"{prefix.rstrip()}\n\n\n{program}"
    with_body = f"{prefix.rstrip()}\n{textwrap.indent(program, '    ')}"
    return with_body if "```" in completion and defines(with_body, entry_point) else continued


def _warn_of_other_verdicts(benchmark: Benchmark[Any], judged: Iterable[tuple[Sample, ProgramRun]]) -> None:
    """Warn of samples that have another verdict in EvalPlus's eval_results.json than here."""
    compared = differing = 0
    example = ""
    for sample, run in judged:
        stated = [sample.base_status, *([sample.plus_status] if benchmark.name.endswith("+") else [])]
        if None in stated:
            continue
        compared += 1
        if all(status == "pass" for status in stated) != (run.verdict == "passed"):
            differing += 1
            example = example or f"{sample.task_id}: {' and '.join(map(str, stated))} in the file, {run.verdict} here"
    if differing:
        message = "%s: the file has another verdict of %s of %s samples, such as %s"
        logger.warning(message, benchmark.name, f"{differing:,}", f"{compared:,}", example)


def _warn_of_answers(
    benchmark: Benchmark[Any],
    path: Path,
    programs: Sequence[tuple[Any, str]],
) -> None:
    """Warn of samples that are answers whose programs would have to be extracted."""
    count = 0
    for task, program in programs:
        if "```" not in program and "~~~" not in program and "[PYTHON]" not in program:
            continue
        found = extract_program(program, benchmark.entry_point(task))
        count += found is not None and found != program and not lacks_program(found)
    if count:
        shares = f"{count:,} of {len(programs):,} samples of {benchmark.name} are answers with a program in a fence"
        logger.warning("%s: %s, and are run as they stand; --extract reads the programs", path, shares)
