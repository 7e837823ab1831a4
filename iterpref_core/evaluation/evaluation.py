"""Stage `evaluation`: one model on every benchmark."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from iterpref_core.benchmarks.benchmark import Benchmark
from iterpref_core.benchmarks.program_runs import run_own_solutions, run_samples, times_of
from iterpref_core.benchmarks.suite_table import EvaluationSetting, open_benchmark
from iterpref_core.config import Benchmark as BenchmarkName
from iterpref_core.config import (
    BudgetParams,
    EvaluationParams,
    InferenceParams,
    PromptFormat,
)
from iterpref_core.errors import DataUnavailableError
from iterpref_core.evaluation.answer_reading import ReadAnswers, count_without_program, read_answers
from iterpref_core.evaluation.results_file import write_results
from iterpref_core.evaluation.sampler import Sampler, open_answerer
from iterpref_core.evaluation.scores import Entry, Evaluated, make_entry, mark_truncated, metrics_of
from iterpref_core.inference.backend import Completion
from iterpref_core.inference.backend_factory import names_served
from iterpref_core.models.fingerprint import model_fingerprint, served_fingerprint
from iterpref_core.records import Sample
from iterpref_core.statistics.pass_at_k import DEFAULT_K

logger = logging.getLogger(__name__)


def evaluate_model(
    name: str,
    model: Path | str,
    params: EvaluationParams,
    setting: EvaluationSetting,
    out: Path,
    inference: InferenceParams,
    budget: BudgetParams,
    answers: Path,
    prompt: PromptFormat | None = None,
    *,
    fresh: bool = False,
) -> dict[str, float]:
    """Measure a model on every benchmark of `params.benchmarks`.

    Args:
        name: the model's name in the results.
        model: a checkpoint folder, a stage's folder that points at one or at a served model, a hub id, or the
            name of a model behind the endpoint of `inference`.
        params: benchmarks and sampling.
        setting: limits, data and caches.
        out: folder for results.json and samples/<benchmark>.jsonl.
        inference: how a model behind an endpoint is asked.
        budget: caps on the questions of this evaluation.
        answers: SQLite file that keeps the model's answers.
        prompt: the form in which the model reads prompts.
        fresh: ask again for answers that are kept.

    Returns:
        Per available benchmark, with '+' spelled `_plus`: `<benchmark>/pass_at_1`, `/ci95_low`, `/ci95_high`, `/n`.

    Raises:
        InputError: the model, the endpoint or the problems cannot be used.
        EndpointError: the endpoint could not be had; its answers so far are kept.
        BudgetError: a cap is reached.
        DataUnavailableError: none of the benchmarks' data can be had here. With at least one that can, the others are
            recorded as not available instead.
    """
    with open_answerer(
        model=model,
        params=params,
        inference=inference,
        budget=budget,
        store=answers,
        prompt=prompt,
        fresh=fresh,
    ) as sampler:
        if names_served(model, inference.backend):
            fingerprint = served_fingerprint(str(model))
        else:
            fingerprint = model_fingerprint(model)
        about = {"model": name}
        if fingerprint:
            about["weights"] = fingerprint
        measured = partial(measure, sampler=sampler, cache=setting.cache)
        return run_benchmarks(about, params.benchmarks, measured, setting, out)


def measure(benchmark: Benchmark[Any], sampler: Sampler, cache: Path) -> Evaluated:
    """Ask a model for programs of every task, and score them.

    Raises:
        DataUnavailableError: the benchmark has nothing to ask such a model.
    """
    form = sampler.form
    tasks = list(benchmark.tasks.values())
    questions = [benchmark.prompt(task, form) for task in tasks]
    with benchmark.open_executor() as executor:
        # Before the model is asked: a harness that fails here has cost no answer yet.
        own_runs = run_own_solutions(benchmark, executor, cache)
        answers = sampler.answer(benchmark.name, questions, benchmark.stops(form))
        answered: list[tuple[Any, Completion]] = []
        for task, several in zip(tasks, answers, strict=True):
            for answer in several:
                answered.append((task, answer))
        read = read_answers(benchmark, answered, form)
        samples = []
        for (task, _), program in zip(answered, read.programs, strict=True):
            samples.append(Sample(task_id=task.task_id, solution=program))
        judged = run_samples(benchmark, executor, samples, times_of(own_runs), "score")
    # "def f(x):\n    return x +" is no wrong answer of the model's, but one that was not to be ended.
    runs = []
    truncated = 0
    for run, (_, answer) in zip(judged, answered, strict=True):
        if answer.truncated:
            truncated += 1
            runs.append(mark_truncated(run))
        else:
            runs.append(run)
    entry = make_entry(benchmark, samples, runs, own_runs)
    entry["isolation"] = executor.isolation
    entry["truncated"] = truncated
    entry["sampling"] = _describe_sampling(benchmark, sampler, read)
    entry["answers"] = count_without_program(
        benchmark,
        [task for task, _ in answered],
        [answer.text for _, answer in answered],
        read.programs,
        runs,
    )
    entry["answers"] |= read.counts
    return Evaluated(entry, tuple(samples))


def _describe_sampling(
    benchmark: Benchmark[Any],
    sampler: Sampler,
    read: ReadAnswers,
) -> dict[str, Any]:
    """Return how the model was asked, as it stands in results.json."""
    sampling = sampler.sampling
    if benchmark.protocol:
        sampling["prompt"] = "instruct" if sampler.form.instruct else "completion"
        notes = [benchmark.protocol, benchmark.form_name(sampler.form)]
        if read.reasoned:
            notes.append("reasoning removed")
        notes += [f"{name} {value}" for name, value in sampling.get("request", {}).items()]
        notes += sampler.adaptations
        sampling["protocol"] = ", ".join(notes)
    return sampling


def run_benchmarks(
    about: Mapping[str, str],
    names: Sequence[BenchmarkName],
    evaluate: Callable[[Benchmark[Any]], Evaluated],
    setting: EvaluationSetting,
    out: Path,
) -> dict[str, float]:
    """Measure benchmarks and write results.json and samples; a benchmark without data is an entry with the reason.

    Args:
        about: the model's name, and its fingerprint where it has weights.
        names: the benchmarks.
        evaluate: measures one of them.
        setting: limits, data and caches.
        out: folder of the results. They replace those of the same benchmarks, and of another model.

    Raises:
        DataUnavailableError: nothing can be had.
    """
    entries: dict[str, Entry] = {}
    samples: dict[str, Sequence[Sample]] = {}
    for name in names:
        try:
            benchmark = open_benchmark(name, setting)
            evaluated = evaluate(benchmark)
        except DataUnavailableError as error:
            logger.warning("%s: %s", name, error)
            entries[name] = {"available": False, "reason": str(error)}
            continue
        for k in setting.k:
            if k not in DEFAULT_K and f"pass_at_{k}" not in evaluated.entry:
                logger.warning("%s: no pass@%s: no task has %s judged samples (evaluation.samples)", name, k, k)
        entry = evaluated.entry | dict(benchmark.about)
        if setting.limit is not None:
            entry["limit"] = setting.limit
        entries[name] = entry
        samples[name] = evaluated.samples
    if not samples:
        raise DataUnavailableError("; ".join(dict.fromkeys(entry["reason"] for entry in entries.values())))
    write_results(out, about, entries, samples)
    metrics: dict[str, float] = {}
    for measured in samples:
        metrics |= metrics_of(measured, entries[measured])
    return metrics
