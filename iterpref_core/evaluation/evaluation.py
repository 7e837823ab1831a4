"""Stage `evaluation`: one model on every benchmark; or existing samples, or a benchmark's own solutions, on one."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    PromptStyle,
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
from iterpref_core.inference.local.checkpoints import is_served
from iterpref_core.inference.local.fingerprint import model_fingerprint
from iterpref_core.input_files import Place, parse_json, read_text
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
    prompt: PromptStyle = "auto",
    bought: Path | None = None,
) -> dict[str, float]:
    """Measure a model on every benchmark of `params.benchmarks`.

    Args:
        name: of the model in the results.
        model: a checkpoint folder, a stage's folder that points at one or at a model behind an endpoint, or a hub id.
        params: benchmarks and sampling.
        setting: what they are measured with.
        out: folder for results.json and samples/<benchmark>.jsonl; other benchmarks of the same model in it stay.
        inference: how a model behind an endpoint is asked.
        budget: caps on that, of this evaluation.
        prompt: whether the model reads prompts in its chat template.
        bought: SQLite file for what an endpoint answers; by default such answers are in the cache too.

    Returns:
        Per available benchmark, with '+' spelled `_plus`: `<benchmark>/pass_at_1`, `/ci95_low`, `/ci95_high`, `/n`.

    Raises:
        InputError: the model, the endpoint or the problems cannot be used.
        EndpointError: the endpoint could not be had; what it answered is kept.
        BudgetError: a cap is reached.
        DataUnavailableError: none of the benchmarks' data can be had here. With at least one that can, the others are
            recorded as not available instead.
    """
    store = bought if bought and is_served(model) else setting.cache / "answers.sqlite"
    with open_answerer(model, params, inference, budget, store, prompt) as answerer:
        return run_benchmarks(name, answerer, params.benchmarks, setting, out, model_fingerprint(model))


def run_benchmarks(
    name: str,
    answerer: Answerer,
    benchmarks: Sequence[BenchmarkName],
    setting: EvaluationSetting,
    out: Path,
    weights: str | None = None,
) -> dict[str, float]:
    """`evaluate_model` with whatever answers prompts; `weights` is the model's fingerprint, for the results."""
    about = {"model": name} | ({"weights": weights} if weights else {})
    return _run(about, benchmarks, lambda benchmark: measure(benchmark, answerer, setting.cache), setting, out)


def score_samples(samples: Path, name: BenchmarkName, setting: EvaluationSetting, out: Path) -> dict[str, float]:
    """Score the samples of a file.

    Rows of other tasks are passed over, and rows that repeat a program of their task count as samples of their own:
    a warning says how many there are. In the results the model is called as the file.

    Raises:
        InputError: the file is broken, lacks a sample of some task, or `out` has results of another model.
        DataUnavailableError: the benchmark's data cannot be had here.
    """
    given = list(read_jsonl(samples, Sample))

    def score_given(benchmark: Benchmark[Any]) -> Evaluated:
        found = [sample for sample in given if sample.task_id in benchmark.tasks]
        if missing := sorted(benchmark.tasks.keys() - {sample.task_id for sample in found}):
            raise InputError(
                f"{samples}: no sample for {len(missing)} of {len(benchmark.tasks)} tasks of {name} "
                f"({', '.join(missing[:3])}…); add them"
            )
        _tell_odd_rows(samples, name, given, found)
        return score_existing(benchmark, found, setting.cache)

    return _run({"model": samples.stem}, [name], score_given, setting, out)


def _tell_odd_rows(path: Path, benchmark: BenchmarkName, given: Sequence[Sample], found: Sequence[Sample]) -> None:
    known = {sample.task_id for sample in found}
    unknown = [sample.task_id for sample in given if sample.task_id not in known]
    if unknown:
        message = "%s: %s rows are of tasks that %s does not have, such as %s; they are not scored"
        logger.warning(message, path, f"{len(unknown):,}", benchmark, unknown[0])
    if repeated := len(found) - len(set(found)):
        message = "%s: %s rows repeat a program of their task; each counts as one more sample of it"
        logger.warning(message, path, f"{repeated:,}")


def score_ground_truth(name: BenchmarkName, setting: EvaluationSetting, out: Path) -> dict[str, float]:
    """Score the benchmark's own solutions; for `heldout` these are the problems' references.

    Raises:
        InputError: a problem has no reference, or the benchmark publishes no solutions.
        DataUnavailableError: the benchmark's data cannot be had here.
    """

    def score_own(benchmark: Benchmark[Any]) -> Evaluated:
        samples = own_samples(benchmark)
        if lacking := benchmark.tasks.keys() - {sample.task_id for sample in samples}:
            raise InputError(
                f"{name}: {len(lacking)} of {len(benchmark.tasks)} tasks have no solution of their own, such as "
                f"{min(lacking)}; --ground-truth needs the field 'reference' of every problem"
            )
        return score_existing(benchmark, samples, setting.cache)

    return _run({"model": "ground-truth"}, [name], score_own, setting, out)


def measure(benchmark: Benchmark[Any], answerer: Answerer, cache: Path) -> Evaluated:
    """Ask a model for programs of every task, and score them.

    Raises:
        DataUnavailableError: the benchmark has nothing to ask such a model.
    """
    form, tasks = answerer.form, list(benchmark.tasks.values())
    questions = [benchmark.prompt(task, form) for task in tasks]
    with benchmark.open_executor() as executor:
        own = run_own_solutions(benchmark, executor, cache)  # a harness that fails here has cost no answer yet
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
        evaluated = score(benchmark, executor, samples, own, truncated)
    about = {"sampling": answerer.sampling | benchmark.protocol(form), "truncated": sum(truncated)}
    return Evaluated(evaluated.entry | about, evaluated.samples)


def score_existing(benchmark: Benchmark[Any], samples: Sequence[Sample], cache: Path) -> Evaluated:
    """Score programs that are there; those that are completions are completed."""

    def whole(sample: Sample) -> Sample:
        if sample.solution is not None:
            return sample
        solution = benchmark.completed(benchmark.tasks[sample.task_id], sample.completion or "")
        return Sample(task_id=sample.task_id, solution=solution)

    with benchmark.open_executor() as executor:
        own = run_own_solutions(benchmark, executor, cache)
        return score(benchmark, executor, [whole(sample) for sample in samples], own)


def score(
    benchmark: Benchmark[Any],
    executor: Engine,
    samples: Sequence[Sample],
    own: Mapping[str, ProgramRun],
    truncated: Sequence[bool] = (),
) -> Evaluated:
    """Run programs of every task and summarize what became of them.

    Args:
        benchmark: the benchmark.
        executor: runs programs.
        samples: whole programs of its tasks.
        own: what became of its own solutions.
        truncated: of each sample, whether its answer ended at `max_new_tokens`; empty where none did.
    """
    reference_s = {task_id: run.cpu_s for task_id, run in own.items() if run.verdict == "passed"}
    runs = run_samples(benchmark, executor, samples, reference_s, "score")
    if truncated:
        runs = [cut_off(run, cut) for run, cut in zip(runs, truncated, strict=True)]
    entry = make_entry(benchmark, samples, runs, own) | {"isolation": executor.isolation}
    return Evaluated(entry, tuple(samples))


def _run(
    about: Mapping[str, str],
    names: Sequence[BenchmarkName],
    evaluate: Callable[[Benchmark[Any]], Evaluated],
    setting: EvaluationSetting,
    out: Path,
) -> dict[str, float]:
    """Measure benchmarks; what cannot be had is an entry that says why.

    Raises:
        DataUnavailableError: nothing can be had.
    """
    kept = _other_benchmarks(out / RESULTS, about, names)
    found: dict[BenchmarkName, Evaluated] = {}
    for name in names:
        try:
            benchmark = open_benchmark(name, setting)
            evaluated = evaluate(benchmark)
            limit = {} if setting.limit is None else {"limit": setting.limit}
            found[name] = Evaluated(evaluated.entry | dict(benchmark.about) | limit, evaluated.samples)
        except DataUnavailableError as error:
            logger.warning("%s: %s", name, error)
            found[name] = Evaluated({"available": False, "reason": str(error)}, ())
    if not any(evaluated.entry["available"] for evaluated in found.values()):
        raise DataUnavailableError("; ".join(dict.fromkeys(evaluated.entry["reason"] for evaluated in found.values())))
    return _write(about, found, kept, out)


def _other_benchmarks(path: Path, about: Mapping[str, str], names: Sequence[BenchmarkName]) -> dict[str, Entry]:
    """The entries of results.json that this run does not replace.

    Raises:
        InputError: they are of another model, or the file is no results.json.
    """
    if not path.is_file():
        return {}
    there = parse_json(read_text(path), Place(path, 1))
    if not isinstance(there, dict) or not isinstance(there.get("benchmarks"), dict):
        raise InputError(f"{path}: no results of an evaluation; move it away, or give another folder")
    kept = {name: entry for name, entry in there["benchmarks"].items() if name not in names}
    asked = any("sampling" in entry for entry in kept.values())  # samples of one model may be in files of several names
    if kept and (there.get("weights") != about.get("weights") or (asked and there.get("model") != about["model"])):
        raise InputError(
            f"{path}: has {', '.join(kept)} of model {there.get('model')!r} "
            f"(weights {str(there.get('weights'))[:12]}), and this is {about['model']!r} "
            f"(weights {str(about.get('weights'))[:12]}); give another folder, or remove it"
        )
    return kept


def _write(
    about: Mapping[str, str], results: Mapping[BenchmarkName, Evaluated], kept: Mapping[str, Entry], out: Path
) -> dict[str, float]:
    """Write a run's samples, then results.json, which never has a benchmark beside another run's samples of it."""
    if kept:
        _write_results(about, kept, out / RESULTS)
    else:
        (out / RESULTS).unlink(missing_ok=True)
    for name, evaluated in results.items():
        path = out / SAMPLES / f"{name}.jsonl"
        if evaluated.samples:
            write_jsonl(path, evaluated.samples)
        else:
            path.unlink(missing_ok=True)
    entries: dict[str, Entry] = {name: evaluated.entry for name, evaluated in results.items()}
    _write_results(about, {**kept, **entries}, out / RESULTS)
    metrics: dict[str, float] = {}
    for benchmark, entry in entries.items():
        metrics.update(metrics_of(benchmark, entry))
    return metrics


def _write_results(about: Mapping[str, str], entries: Mapping[str, Entry], path: Path) -> None:
    """The same results are the same bytes."""
    with atomic_writer(path) as file:
        json.dump({**about, "benchmarks": entries}, file, indent=2, sort_keys=True)
        file.write("\n")
