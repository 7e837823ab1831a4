"""Stage `evaluation`: one model on every benchmark; or existing samples, or a benchmark's own solutions."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from iterpref_core.config import Benchmark as BenchmarkName
from iterpref_core.config import (
    BudgetParams,
    EvaluationParams,
    ExecutionParams,
    InferenceParams,
    LiveCodeBenchParams,
    PromptFormat,
)
from iterpref_core.errors import DataUnavailableError, InputError
from iterpref_core.evaluation.answerer import Answerer, open_answerer
from iterpref_core.evaluation.benchmark import Benchmark, ProgramRun
from iterpref_core.evaluation.bigcodebench import BigCodeBench
from iterpref_core.evaluation.evalplus import EvalPlus
from iterpref_core.evaluation.heldout import Heldout
from iterpref_core.evaluation.livecodebench import LiveCodeBench
from iterpref_core.evaluation.program_runs import own_samples, run_own_solutions, run_samples
from iterpref_core.evaluation.sanitizing import sanitize_all
from iterpref_core.evaluation.scores import Entry, Evaluated, cut_off, make_entry, metrics_of
from iterpref_core.execution import Engine
from iterpref_core.inference.local.fingerprint import model_fingerprint
from iterpref_core.records import Sample
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl, write_jsonl

logger = logging.getLogger(__name__)

RESULTS = "results.json"
SAMPLES = "samples"


@dataclass(frozen=True)
class EvaluationSetting:
    """What benchmarks are measured with.

    Attributes:
        problems: JSONL of problems, for the benchmarks `heldout` and `validation`.
        livecodebench: release and window.
        execution: limits, and how many programs run at once.
        cache: folder for expected results and the verdicts on the benchmarks' own solutions; outside of
            anything that DVC deletes.
        limit: tasks of each benchmark, the first ones; None for all.
    """

    problems: Path
    livecodebench: LiveCodeBenchParams
    execution: ExecutionParams
    cache: Path
    limit: int | None = None


def open_benchmark(name: BenchmarkName, setting: EvaluationSetting) -> Benchmark[Any]:
    """The benchmark of this name.

    Raises:
        DataUnavailableError: its data cannot be had here.
        InputError: the problems of `heldout` or `validation` cannot be used.
    """
    execution, cache = setting.execution, setting.cache
    benchmark: Benchmark[Any]
    if name in ("heldout", "validation"):
        benchmark = Heldout(name, setting.problems, execution)
    elif name == "livecodebench":
        benchmark = LiveCodeBench(setting.livecodebench, execution)
    elif name.startswith("bigcodebench-"):
        benchmark = BigCodeBench(name, execution)
    else:
        benchmark = EvalPlus(name, cache / "evalplus", execution)
    first: dict[str, Any] = dict(islice(benchmark.tasks.items(), setting.limit))
    benchmark.tasks = first
    return benchmark


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
) -> dict[str, float]:
    """Measure a model on every benchmark of `params.benchmarks`.

    Args:
        name: of the model in the results.
        model: a checkpoint folder, a stage's folder that points at one or at a model behind an endpoint, or a hub id.
        params: benchmarks and sampling.
        setting: what they are measured with.
        out: folder for results.json and samples/<benchmark>.jsonl.
        inference: how a model behind an endpoint is asked.
        budget: caps on that, of this evaluation.
        answers: SQLite file that keeps what the model answers.
        prompt: the form in which the model reads prompts.

    Returns:
        Per available benchmark, with '+' spelled `_plus`: `<benchmark>/pass_at_1`, `/ci95_low`, `/ci95_high`, `/n`.

    Raises:
        InputError: the model, the endpoint or the problems cannot be used.
        EndpointError: the endpoint could not be had; what it answered is kept.
        BudgetError: a cap is reached.
        DataUnavailableError: none of the benchmarks' data can be had here. With at least one that can, the others are
            recorded as not available instead.
    """
    with open_answerer(model, params, inference, budget, answers, prompt) as answerer:
        fingerprint = model_fingerprint(model)
        about = {"model": name} | ({"weights": fingerprint} if fingerprint else {})
        measured = partial(measure, answerer=answerer, cache=setting.cache)
        return run_benchmarks(about, params.benchmarks, measured, setting, out)


def score_samples(
    samples: Path | None, names: Sequence[BenchmarkName], setting: EvaluationSetting, out: Path
) -> dict[str, float]:
    """Score the samples of a file, or with None each benchmark's own solutions (a problem's reference).

    Rows of other tasks are passed over. In the results the model is called as the file, or `ground-truth`.

    Raises:
        InputError: the file is broken, or some task has no sample or solution.
        DataUnavailableError: no benchmark's data can be had here.
    """

    def score(benchmark: Benchmark[Any]) -> Evaluated:
        rows = read_jsonl(samples, Sample) if samples else own_samples(benchmark)
        known = [sample for sample in rows if sample.task_id in benchmark.tasks]
        if missing := sorted(benchmark.tasks.keys() - {sample.task_id for sample in known}):
            what = f"{samples}: no sample" if samples else f"{benchmark.name}: no solution (field 'reference')"
            raise InputError(
                f"{what} for {len(missing)} of {len(benchmark.tasks)} tasks of {benchmark.name}, such as "
                f"{missing[0]}; add them"
            )
        return score_existing(benchmark, known, setting.cache)

    return run_benchmarks({"model": samples.stem if samples else "ground-truth"}, names, score, setting, out)


def score_existing(benchmark: Benchmark[Any], samples: Sequence[Sample], cache: Path) -> Evaluated:
    """Score programs that are there; a `completion` goes on with its task's prompt."""

    def whole(sample: Sample) -> Sample:
        if sample.solution is not None:
            return sample
        solution = benchmark.completed(benchmark.tasks[sample.task_id], sample.completion or "")
        return Sample(task_id=sample.task_id, solution=solution)

    with benchmark.open_executor() as executor:
        own_runs = run_own_solutions(benchmark, executor, cache)
        return _score(benchmark, executor, list(map(whole, samples)), own_runs, [False] * len(samples))


def measure(benchmark: Benchmark[Any], answerer: Answerer, cache: Path) -> Evaluated:
    """Ask a model for programs of every task, and score them.

    Raises:
        DataUnavailableError: the benchmark has nothing to ask such a model.
    """
    form, tasks = answerer.form, list(benchmark.tasks.values())
    questions = [benchmark.prompt(task, form) for task in tasks]
    with benchmark.open_executor() as executor:
        own_runs = run_own_solutions(benchmark, executor, cache)  # a harness that fails here has cost no answer yet
        answers = answerer.answer(benchmark.name, questions, benchmark.stops(form))
        answered = [(task, answer) for task, several in zip(tasks, answers, strict=True) for answer in several]
        programs = [benchmark.program(task, answer.text, form) for task, answer in answered]
        if benchmark.sanitizer is not None:
            texts = [(text, task.entry_point) for (task, _), text in zip(answered, programs, strict=True)]
            programs = sanitize_all(texts, benchmark.execution, benchmark.sanitizer, f"{benchmark.name}: sanitize")
        samples = [
            Sample(task_id=task.task_id, solution=program)
            for (task, _), program in zip(answered, programs, strict=True)
        ]
        truncated = [answer.truncated for _, answer in answered]
        evaluated = _score(benchmark, executor, samples, own_runs, truncated)
    sampling = answerer.sampling
    if benchmark.protocol:
        sampling["prompt"] = "instruct" if form.instruct else "completion"
        sampling["protocol"] = f"{benchmark.protocol}, {benchmark.form_name(form)}"
    return Evaluated(evaluated.entry | {"sampling": sampling, "truncated": sum(truncated)}, evaluated.samples)


def _score(
    benchmark: Benchmark[Any],
    executor: Engine,
    samples: Sequence[Sample],
    own_runs: Mapping[str, ProgramRun],
    truncated: Sequence[bool],
) -> Evaluated:
    reference_s = {task_id: run.cpu_s for task_id, run in own_runs.items() if run.verdict == "passed"}
    runs = run_samples(benchmark, executor, samples, reference_s, "score")
    runs = [cut_off(run) if cut else run for run, cut in zip(runs, truncated, strict=True)]
    return Evaluated(make_entry(benchmark, samples, runs, own_runs) | {"isolation": executor.isolation}, tuple(samples))


def run_benchmarks(
    about: Mapping[str, str],
    names: Sequence[BenchmarkName],
    evaluate: Callable[[Benchmark[Any]], Evaluated],
    setting: EvaluationSetting,
    out: Path,
) -> dict[str, float]:
    """Measure benchmarks and write results.json and samples; what cannot be had is an entry that says why.

    Args:
        about: the model's name, and its fingerprint where it has weights.
        names: of the benchmarks.
        evaluate: measures one.
        setting: what they are measured with.
        out: folder of the results, which replace those that are there.

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
        limit = {} if setting.limit is None else {"limit": setting.limit}
        entries[name], samples[name] = evaluated.entry | dict(benchmark.about) | limit, evaluated.samples
    if not samples:
        raise DataUnavailableError("; ".join(dict.fromkeys(entry["reason"] for entry in entries.values())))
    (out / RESULTS).unlink(missing_ok=True)  # it never stands beside another run's samples
    for measured, programs in samples.items():
        write_jsonl(out / SAMPLES / f"{measured}.jsonl", programs)
    with atomic_writer(out / RESULTS) as file:
        json.dump({**about, "benchmarks": entries}, file, indent=2, sort_keys=True)
        file.write("\n")
    return {key: value for measured in samples for key, value in metrics_of(measured, entries[measured]).items()}
