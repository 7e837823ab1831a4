"""Stage `evaluation`: one model on every benchmark; or existing samples, or a benchmark's own solutions, on one."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from iterpref_core.config import (
    Benchmark,
    BudgetParams,
    EvaluationParams,
    ExecutionParams,
    InferenceParams,
    LiveCodeBenchParams,
    PromptStyle,
)
from iterpref_core.errors import DataUnavailableError, InputError
from iterpref_core.evaluation.answerer import Answerer, open_answerer
from iterpref_core.evaluation.benchmark_services import BenchmarkService, Setup, group, open_service
from iterpref_core.evaluation.program_runs import Journals
from iterpref_core.evaluation.scores import Evaluated, metrics_of
from iterpref_core.inference.local.checkpoints import is_served
from iterpref_core.inference.local.fingerprint import model_fingerprint
from iterpref_core.input_files import Place, parse_json, read_text
from iterpref_core.records import Sample
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl, write_jsonl

logger = logging.getLogger(__name__)

RESULTS = "results.json"
SAMPLES = "samples"
JOURNALS = "unfinished"
"""Folder in the cache, of what an evaluation has run before it was killed."""


def evaluate_model(
    name: str,
    model: Path | str,
    problems: Path,
    params: EvaluationParams,
    execution: ExecutionParams,
    out: Path,
    cache: Path,
    inference: InferenceParams,
    budget: BudgetParams,
    prompt: PromptStyle = "auto",
    bought: Path | None = None,
) -> dict[str, float]:
    """Measure a model on every benchmark of `params.benchmarks`.

    Args:
        name: of the model in the results.
        model: a checkpoint folder, a stage's folder that points at one or at a model behind an endpoint, or a hub id.
        problems: JSONL of problems, for the held-out benchmark.
        params: benchmarks and sampling.
        execution: limits, and how many programs run at once.
        out: folder for results.json and samples/<benchmark>.jsonl; other benchmarks of the same model in it stay.
        cache: folder for benchmark data, expected outputs and the model's answers; outside of anything DVC deletes.
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
    store = bought if bought and is_served(model) else cache / "answers.sqlite"
    with open_answerer(model, params, inference, budget, store, prompt) as (answerer, instruct):
        return run_benchmarks(
            name,
            answerer,
            problems,
            params,
            execution,
            out=out,
            cache=cache,
            instruct=instruct,
            weights=model_fingerprint(model),
        )


def run_benchmarks(
    name: str,
    answerer: Answerer,
    problems: Path,
    params: EvaluationParams,
    execution: ExecutionParams,
    *,
    out: Path,
    cache: Path,
    instruct: bool,
    weights: str | None = None,
) -> dict[str, float]:
    """`evaluate_model` with whatever answers prompts.

    `instruct`: prompts for a chat model; `weights`: the model's fingerprint, for the results.
    """

    def measure(wanted: Sequence[Benchmark], service: BenchmarkService) -> dict[Benchmark, Evaluated]:
        return service.evaluate(wanted, answerer, instruct=instruct)

    return _run(
        *(name, params.benchmarks, measure, problems, params.livecodebench, execution),
        out=out,
        cache=cache,
        weights=weights,
    )


def score_samples(
    samples: Path,
    benchmark: Benchmark,
    problems: Path,
    livecodebench: LiveCodeBenchParams,
    execution: ExecutionParams,
    *,
    out: Path,
    cache: Path,
) -> dict[str, float]:
    """Score the samples of a file.

    Rows of other tasks are passed over, and rows that repeat a program of their task count as samples of their own:
    a warning says how many there are. In the results the model is called as the folder `out`.

    Raises:
        InputError: the file is broken, lacks a sample of some task, or `out` has results of another model.
        DataUnavailableError: the benchmark's data cannot be had here.
    """
    given = list(read_jsonl(samples, Sample))

    def measure(wanted: Sequence[Benchmark], service: BenchmarkService) -> dict[Benchmark, Evaluated]:
        asked = dict.fromkeys(service.task_ids)
        found = [sample for sample in given if sample.task_id in asked]
        missing = list(asked.keys() - {sample.task_id for sample in found})
        if missing:
            raise InputError(
                f"{samples}: no sample for {len(missing)} of {len(asked)} tasks of {benchmark} "
                f"({', '.join(sorted(missing)[:3])}…); add them"
            )
        _tell_odd_rows(samples, benchmark, given, found)
        return service.score(wanted, found)

    return _run(out.resolve().name, [benchmark], measure, problems, livecodebench, execution, out=out, cache=cache)


def _tell_odd_rows(path: Path, benchmark: Benchmark, given: Sequence[Sample], found: Sequence[Sample]) -> None:
    known = {sample.task_id for sample in found}
    unknown = [sample.task_id for sample in given if sample.task_id not in known]
    if unknown:
        message = "%s: %s rows are of tasks that %s does not have, such as %s; they are not scored"
        logger.warning(message, path, f"{len(unknown):,}", benchmark, unknown[0])
    if repeated := len(found) - len(set(found)):
        message = "%s: %s rows repeat a program of their task; each counts as one more sample of it"
        logger.warning(message, path, f"{repeated:,}")


def score_ground_truth(
    benchmark: Benchmark,
    problems: Path,
    livecodebench: LiveCodeBenchParams,
    execution: ExecutionParams,
    *,
    out: Path,
    cache: Path,
) -> dict[str, float]:
    """Score the benchmark's own solutions; for `heldout` these are the problems' references.

    Raises:
        InputError: a problem has no reference, or the benchmark publishes no solutions.
        DataUnavailableError: the benchmark's data cannot be had here.
    """

    def measure(wanted: Sequence[Benchmark], service: BenchmarkService) -> dict[Benchmark, Evaluated]:
        return service.score(wanted, service.ground_truth_samples())

    return _run("ground-truth", [benchmark], measure, problems, livecodebench, execution, out=out, cache=cache)


def _run(
    name: str,
    benchmarks: Sequence[Benchmark],
    measure: Callable[[Sequence[Benchmark], BenchmarkService], dict[Benchmark, Evaluated]],
    problems: Path,
    livecodebench: LiveCodeBenchParams,
    execution: ExecutionParams,
    *,
    out: Path,
    cache: Path,
    weights: str | None = None,
) -> dict[str, float]:
    """Measure all benchmarks, each data set once; what cannot be had is an entry that says why.

    Raises:
        DataUnavailableError: nothing can be had.
    """
    about = {"model": name} | ({"weights": weights} if weights else {})
    kept = _other_benchmarks(out / RESULTS, about, benchmarks)
    with Journals(cache / JOURNALS) as journals:
        setup = Setup(problems, livecodebench, execution, cache, journals)
        found: dict[Benchmark, Evaluated] = {}
        for wanted in group(benchmarks):
            try:
                found |= measure(wanted, open_service(wanted[0], setup))
            except DataUnavailableError as error:
                logger.warning("%s: %s", " and ".join(wanted), error)
                found |= dict.fromkeys(wanted, Evaluated({"available": False, "reason": str(error)}, ()))
        if not any(evaluated.entry["available"] for evaluated in found.values()):
            reasons = dict.fromkeys(evaluated.entry["reason"] for evaluated in found.values())
            raise DataUnavailableError("; ".join(reasons))
        return _write(about, {benchmark: found[benchmark] for benchmark in benchmarks}, kept, out)


def _other_benchmarks(path: Path, about: Mapping[str, str], benchmarks: Sequence[Benchmark]) -> dict[str, Any]:
    """The entries of results.json that this run does not replace.

    Raises:
        InputError: they are of another model, or the file is no results.json.
    """
    if not path.is_file():
        return {}
    there = parse_json(read_text(path), Place(path, 1))
    if not isinstance(there, dict) or not isinstance(there.get("benchmarks"), dict):
        raise InputError(f"{path}: no results of an evaluation; move it away, or give another folder")
    kept = {name: entry for name, entry in there["benchmarks"].items() if name not in benchmarks}
    if kept and {"model": there.get("model"), "weights": there.get("weights")} != {"weights": None, **about}:
        raise InputError(
            f"{path}: has {', '.join(kept)} of model {there.get('model')!r} "
            f"(weights {str(there.get('weights'))[:12]}), and this is {about['model']!r} "
            f"(weights {str(about.get('weights'))[:12]}); give another folder, or remove it"
        )
    return kept


def write_results(results: Mapping[str, Any], path: Path) -> None:
    """Write results.json: the same results are the same bytes."""
    with atomic_writer(path) as file:
        json.dump(results, file, indent=2, sort_keys=True)
        file.write("\n")


def _write(
    about: Mapping[str, str], results: dict[Benchmark, Evaluated], kept: Mapping[str, Any], out: Path
) -> dict[str, float]:
    """Write a run's samples, then results.json, which never has a benchmark beside another run's samples of it."""
    if kept:
        write_results({**about, "benchmarks": kept}, out / RESULTS)
    else:
        (out / RESULTS).unlink(missing_ok=True)
    for benchmark, evaluated in results.items():
        path = out / SAMPLES / f"{benchmark}.jsonl"
        if evaluated.samples:
            write_jsonl(path, evaluated.samples)
        else:
            path.unlink(missing_ok=True)
    entries = {benchmark: evaluated.entry for benchmark, evaluated in results.items()}
    write_results({**about, "benchmarks": {**kept, **entries}}, out / RESULTS)
    metrics: dict[str, float] = {}
    for benchmark, entry in entries.items():
        metrics.update(metrics_of(benchmark, entry))
    return metrics
