"""Stage `evaluation`: one model on every benchmark."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, EvaluationSetting
from iterpref_core.evaluation.benchmarks.program_runs import run_canonical_solutions, run_samples, times_of
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.evaluation.evaluation.answer_reading import (
    ReadAnswers,
    count_tokens,
    count_without_program,
    is_cut,
    read_answers,
)
from iterpref_core.evaluation.evaluation.results_file import write_results
from iterpref_core.evaluation.evaluation.sampler import Sampler, open_sampler
from iterpref_core.evaluation.evaluation.scores import (
    Evaluated,
    make_result,
    mark_truncated,
    metrics_of,
    unanswered_run,
)
from iterpref_core.evaluation.statistics.pass_at_k import DEFAULT_K
from iterpref_core.models.inference.backend import Completion
from iterpref_core.models.inference.backend_factory import names_served
from iterpref_core.models.pretrained.fingerprint import model_fingerprint, served_fingerprint
from iterpref_core.records import Sample
from iterpref_core.records.config import PromptFormat
from iterpref_core.records.errors import DataUnavailableError, UnansweredError
from iterpref_core.records.results import Incomplete, Measured, ModelResults, Unavailable

logger = logging.getLogger(__name__)


def evaluate_model(
    name: str,
    model: Path | str,
    setting: EvaluationSetting,
    out: Path,
    answers: Path,
    prompt: PromptFormat | None = None,
    *,
    fresh: bool = False,
) -> dict[str, float]:
    """Measure a model on benchmarks.

    Args:
        name: the model's name in the results.
        model: a checkpoint folder, a stage's folder that points at one or at a served model, a hub id, or the
            name of a model behind the endpoint of `inference`.
        setting: benchmarks, sampling, limits, data and caches.
        out: folder for results.json and samples/<benchmark>.jsonl.
        answers: SQLite file that keeps the model's answers.
        prompt: the form in which the model reads prompts.
        fresh: ask again for answers that are kept.

    Returns:
        Per available benchmark, with '+' spelled `_plus`: `<benchmark>/pass_at_1`, `/ci95_low`, `/ci95_high`, `/n`.
        Where answers are missing, `/missing`, `/pass_at_1_low` and `/pass_at_1_high` in place of `/pass_at_1`.

    Raises:
        InputError: the model, the endpoint or the problems cannot be used.
        EndpointError: the endpoint could not be had; its answers so far are kept. One that fails for some prompts
            alone raises nothing.
        BudgetError: a cap is reached.
        DataUnavailableError: none of the benchmarks' data can be had here. With at least one that can, the others are
            recorded as not available instead.
    """
    with open_sampler(
        model=model,
        params=setting.params.evaluation,
        inference=setting.params.inference,
        budget=setting.params.budget,
        store=answers,
        prompt=prompt,
        fresh=fresh,
    ) as sampler:
        if names_served(model, setting.params.inference.backend):
            weights = served_fingerprint(str(model))
        else:
            weights = model_fingerprint(model)
        ask = partial(ask_and_measure, sampler=sampler, cache=setting.cache)
        return run_benchmarks(name, weights or None, ask, setting, out)


@dataclass(frozen=True)
class Programs:
    """The programs to score, in order, and the texts in which they were found.

    A text that is missing is in none of the lists, but its task is in `missing`.

    Attributes:
        tasks: the task of each program.
        texts: the model's answers, or the samples of a file, as they came.
        programs: the program in each text; empty for a text without one.
        truncated: for each text whether a limit of tokens has cut its program; None where that is not known.
        missing: (task, the reason why an answer to it is missing).
        counts: further counts of texts, for `Measured.answers`.
        about: further fields of `Measured` on how the programs were found.
    """

    tasks: Sequence[Any]
    texts: Sequence[str]
    programs: Sequence[str]
    truncated: Sequence[bool] | None = None
    missing: Sequence[tuple[Any, str]] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


def measure(benchmark: Benchmark[Any], find_programs: Callable[[], Programs], cache: Path) -> Evaluated:
    """Run programs and score them.

    Args:
        benchmark: the suite.
        find_programs: returns the programs; called when the suite's harness is known to work.
        cache: folder where the outcomes of the suite's canonical solutions are kept.
    """
    with benchmark.open_executor() as executor:
        # Before a model is asked: a harness that fails here has cost no answer yet.
        canonical = run_canonical_solutions(benchmark, executor, cache)
        found = find_programs()
        samples = []
        for task, program in zip(found.tasks, found.programs, strict=True):
            samples.append(Sample(task_id=task.task_id, solution=program))
        runs = run_samples(benchmark, executor, samples, times_of(canonical))
    further = dict(found.about)
    if found.truncated is not None:
        # "def f(x):\n    return x +" is no wrong answer of the model's, but one that was not to be ended.
        runs = [mark_truncated(run) if cut else run for run, cut in zip(runs, found.truncated, strict=True)]
        further["truncated"] = sum(found.truncated)
    answers = count_without_program(benchmark, found.tasks, found.texts, found.programs, runs)
    further["answers"] = {**answers, **found.counts}
    result = make_result(
        benchmark,
        [*(sample.task_id for sample in samples), *(task.task_id for task, _ in found.missing)],
        [*runs, *(unanswered_run(reason) for _, reason in found.missing)],
        canonical,
        executor.isolation,
        [reason for _, reason in found.missing],
        **further,
    )
    return Evaluated(result, tuple(samples))


def ask_and_measure(benchmark: Benchmark[Any], sampler: Sampler, cache: Path) -> Evaluated:
    """Ask a model for programs of every task, and score them.

    Raises:
        DataUnavailableError: the benchmark has nothing to ask such a model.
    """
    tasks = list(benchmark.tasks.values())
    prompts = [benchmark.prompt(task, sampler.mode) for task in tasks]

    def ask() -> Programs:
        answers = sampler.answer(benchmark.name, prompts, benchmark.stops(sampler.mode))
        answered: list[tuple[Any, Completion]] = []
        missing: list[tuple[Any, str]] = []
        for task, several in zip(tasks, answers, strict=True):
            for answer in several:
                if answer.missing:
                    missing.append((task, answer.missing))
                else:
                    answered.append((task, answer))
        texts = [(task, answer.text) for task, answer in answered]
        read = read_answers(benchmark, texts, sampler.mode)
        cut = []
        for (_, answer), program in zip(answered, read.programs, strict=True):
            cut.append(is_cut(benchmark, answer, program, sampler.mode))
        tokens = count_tokens([answer for several in answers for answer in several])
        return Programs(
            tasks=[task for task, _ in answered],
            texts=[text for _, text in texts],
            programs=read.programs,
            truncated=cut,
            missing=missing,
            counts=read.counts,
            about={
                "sampling": _describe_sampling(benchmark, sampler, read),
                "tokens": tokens,
                "cost_usd": sampler.cost_usd(tokens),
            },
        )

    return measure(benchmark, ask, cache)


def _describe_sampling(
    benchmark: Benchmark[Any],
    sampler: Sampler,
    read: ReadAnswers,
) -> dict[str, Any]:
    """Return how the model was asked, as it stands in results.json."""
    sampling = sampler.sampling
    if benchmark.protocol:
        sampling["prompt"] = "instruct" if sampler.mode.instruct else "completion"
        notes = [benchmark.protocol, benchmark.mode_name(sampler.mode)]
        if read.reasoned:
            notes.append("reasoning removed")
        notes += [f"{name} {value}" for name, value in sampling.get("request", {}).items()]
        notes += sampler.adaptations
        sampling["protocol"] = ", ".join(notes)
    return sampling


def run_benchmarks(
    model: str,
    weights: str | None,
    evaluate: Callable[[Benchmark[Any]], Evaluated],
    setting: EvaluationSetting,
    out: Path,
) -> dict[str, float]:
    """Measure benchmarks and write results.json and samples; of one without data the reason is written.

    Args:
        model: the model's name.
        weights: the fingerprint of the model's weights, where it has any.
        evaluate: measures one benchmark.
        setting: benchmarks, limits, data and caches.
        out: folder of the results. They replace those of the same benchmarks, and of another model.

    Raises:
        DataUnavailableError: nothing can be had.
        UnansweredError: the model answered no prompt of a benchmark; the results of the others are written.
    """
    metrics: dict[str, float] = {}
    absent: dict[str, Measured | Incomplete | Unavailable] = {}
    unanswered: list[str] = []
    for name in setting.params.evaluation.benchmarks:
        try:
            benchmark = open_benchmark(name, setting)
            evaluated = evaluate(benchmark)
        except DataUnavailableError as error:
            absent[name] = Unavailable(available=False, reason=str(error))
            continue
        except UnansweredError as error:
            unanswered.append(str(error))
            if len(setting.params.evaluation.benchmarks) > 1:
                logger.warning("%s; the other benchmarks are measured", error)
            continue
        result = evaluated.result.model_copy(update={**benchmark.about, "limit": setting.limit})
        others = result.of_other_k if isinstance(result, Measured) else {}
        for k in benchmark.k:
            if k not in DEFAULT_K and f"pass_at_{k}" not in others:
                logger.warning("%s: no pass@%s: no task has %s judged samples (evaluation.samples)", name, k, k)
        # At once: what was measured is there, however the next benchmark ends.
        write_results(
            out,
            ModelResults(model=model, weights=weights, benchmarks={name: result}),
            {name: evaluated.samples},
        )
        metrics |= metrics_of(name, result)
    if metrics and absent:
        write_results(out, ModelResults(model=model, weights=weights, benchmarks=absent), {})
    if unanswered:
        raise UnansweredError("; ".join(dict.fromkeys(unanswered)))
    if not metrics:
        reasons = [result.reason for result in absent.values() if isinstance(result, Unavailable)]
        raise DataUnavailableError("; ".join(dict.fromkeys(reasons)))
    return metrics
