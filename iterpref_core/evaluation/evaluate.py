"""Stage `evaluate`: one model on every benchmark; or existing samples, or a benchmark's own solutions, on one."""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from iterpref_core.config import (
    Benchmark,
    BudgetParams,
    EvaluateParams,
    ExecutionParams,
    InferenceParams,
    LiveCodeBenchParams,
    PromptStyle,
)
from iterpref_core.errors import DataUnavailableError, InputError
from iterpref_core.evaluation.answers import Answerer, open_answerer
from iterpref_core.evaluation.bigcodebench_benchmarks import BigCodeBench, BigCodeBenchName, is_bigcodebench, subset_of
from iterpref_core.evaluation.evalplus_benchmarks import EvalPlus, EvalPlusName, dataset_of
from iterpref_core.evaluation.heldout import Heldout
from iterpref_core.evaluation.livecodebench import LiveCodeBench
from iterpref_core.evaluation.runs import Journals
from iterpref_core.evaluation.scores import Evaluated, metrics_of
from iterpref_core.jsonl import atomic_writer, read_jsonl, write_jsonl
from iterpref_core.records import Sample

B = TypeVar("B", bound=str)

logger = logging.getLogger(__name__)

RESULTS = "results.json"
SAMPLES = "samples.jsonl"
JOURNALS = "unfinished"
"""Folder in the cache, of what an evaluation has run before it was killed."""


def evaluate_model(
    name: str,
    model: Path | str,
    problems: Path,
    params: EvaluateParams,
    execution: ExecutionParams,
    out: Path,
    cache: Path,
    inference: InferenceParams,
    budget: BudgetParams,
    prompt: PromptStyle = "auto",
) -> dict[str, float]:
    """Measure a model on every benchmark of `params.benchmarks`.

    Args:
        name: of the model in the results.
        model: a checkpoint folder, a stage's folder that points at one or at a model behind an endpoint, or a hub id.
        problems: JSONL of problems, for the held-out benchmark.
        params: benchmarks and sampling.
        execution: limits, and how many programs run at once.
        out: folder for results.json and samples.jsonl.
        cache: folder for benchmark data, expected outputs and the model's answers; outside of anything DVC deletes.
        inference: how a model behind an endpoint is asked.
        budget: caps on that, of this evaluation.
        prompt: whether the model reads prompts in its chat template.

    Returns:
        Per available benchmark, with '+' spelled `_plus`: `<benchmark>/pass_at_1`, `/ci95_low`, `/ci95_high`, `/n`.

    Raises:
        InputError: the model, the endpoint or the problems cannot be used.
        EndpointError: the endpoint could not be had; what it answered is kept.
        BudgetError: a cap is reached.
        DataUnavailableError: none of the benchmarks' data can be had here. With at least one that can, the others are
            recorded as not available instead.
    """
    with open_answerer(model, params, inference, budget, cache / "answers", prompt) as (answerer, instruct):
        return run_benchmarks(name, answerer, problems, params, execution, out=out, cache=cache, instruct=instruct)


def run_benchmarks(
    name: str,
    answerer: Answerer,
    problems: Path,
    params: EvaluateParams,
    execution: ExecutionParams,
    *,
    out: Path,
    cache: Path,
    instruct: bool,
) -> dict[str, float]:
    """`evaluate_model` with whatever answers prompts; `instruct`: prompts for a chat model."""
    journals = Journals(cache / JOURNALS)

    def heldout() -> Evaluated:
        return Heldout(problems, execution, cache / "heldout", journals).evaluate(answerer)

    def evalplus(wanted: Sequence[EvalPlusName]) -> dict[EvalPlusName, Evaluated]:
        service = EvalPlus(dataset_of(wanted[0]), cache / "evalplus", execution, journals)
        return service.evaluate(wanted, answerer, instruct=instruct)

    def livecodebench() -> Evaluated:
        service = LiveCodeBench(params.livecodebench, execution, journals)
        return service.evaluate(answerer, instruct=instruct)

    def bigcodebench(wanted: Sequence[BigCodeBenchName]) -> dict[BigCodeBenchName, Evaluated]:
        service = BigCodeBench(subset_of(wanted[0]), cache / "bigcodebench", execution, journals)
        return service.evaluate(wanted, answerer, instruct=instruct)

    with journals:
        return _write(name, _collect(params.benchmarks, heldout, evalplus, bigcodebench, livecodebench), out)


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
    """Score the samples of a file. Samples of other tasks are passed over, so a whole samples.jsonl can be given.

    Raises:
        InputError: the file is broken, or lacks a sample of some task.
        DataUnavailableError: the benchmark's data cannot be had here.
    """
    given = list(read_jsonl(samples, Sample))

    def select(task_ids: Iterable[str]) -> list[Sample]:
        wanted = dict.fromkeys(task_ids)
        found = [sample for sample in given if sample.task_id in wanted]
        missing = list(wanted.keys() - {sample.task_id for sample in found})
        if missing:
            raise InputError(
                f"{samples}: no sample for {len(missing)} of {len(wanted)} tasks of {benchmark} "
                f"({', '.join(sorted(missing)[:3])}…); add them"
            )
        if len(found) < len(given):
            logger.info("%s: passed over %d samples of other tasks", samples, len(given) - len(found))
        return found

    return _score(samples.stem, benchmark, problems, livecodebench, execution, out=out, cache=cache, select=select)


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
    return _score("ground-truth", benchmark, problems, livecodebench, execution, out=out, cache=cache, select=None)


def _score(
    name: str,
    benchmark: Benchmark,
    problems: Path,
    window: LiveCodeBenchParams,
    execution: ExecutionParams,
    *,
    out: Path,
    cache: Path,
    select: Callable[[Iterable[str]], list[Sample]] | None,
) -> dict[str, float]:
    """Score what `select` chooses for the benchmark's task_ids, or the benchmark's own solutions."""
    journals = Journals(cache / JOURNALS)

    def heldout() -> Evaluated:
        service = Heldout(problems, execution, cache / "heldout", journals)
        ids = (problem.task_id for problem in service.problems)
        return service.score(select(ids) if select else service.ground_truth_samples())

    def evalplus(wanted: Sequence[EvalPlusName]) -> dict[EvalPlusName, Evaluated]:
        service = EvalPlus(dataset_of(wanted[0]), cache / "evalplus", execution, journals)
        return service.score(wanted, select(service.task_ids) if select else service.ground_truth_samples())

    def livecodebench() -> Evaluated:
        service = LiveCodeBench(window, execution, journals)
        return service.score(select(service.task_ids) if select else service.ground_truth_samples())

    def bigcodebench(wanted: Sequence[BigCodeBenchName]) -> dict[BigCodeBenchName, Evaluated]:
        service = BigCodeBench(subset_of(wanted[0]), cache / "bigcodebench", execution, journals)
        return service.score(wanted, select(service.task_ids) if select else service.ground_truth_samples())

    with journals:
        return _write(name, _collect([benchmark], heldout, evalplus, bigcodebench, livecodebench), out)


def _collect(
    benchmarks: Sequence[Benchmark],
    heldout: Callable[[], Evaluated],
    evalplus: Callable[[Sequence[EvalPlusName]], dict[EvalPlusName, Evaluated]],
    bigcodebench: Callable[[Sequence[BigCodeBenchName]], dict[BigCodeBenchName, Evaluated]],
    livecodebench: Callable[[], Evaluated],
) -> dict[Benchmark, Evaluated]:
    """Every benchmark, each data set once; what cannot be had is an entry that says why.

    Raises:
        DataUnavailableError: nothing can be had.
    """
    found: dict[Benchmark, Evaluated] = {}
    datasets: dict[str, list[EvalPlusName]] = {}
    subsets: dict[str, list[BigCodeBenchName]] = {}
    for benchmark in benchmarks:
        if benchmark == "heldout":
            found[benchmark] = heldout()
        elif benchmark == "livecodebench":
            found.update(_if_available([benchmark], lambda: {"livecodebench": livecodebench()}).items())
        elif is_bigcodebench(benchmark):
            subsets.setdefault(subset_of(benchmark), []).append(benchmark)
        else:
            datasets.setdefault(dataset_of(benchmark), []).append(benchmark)
    for wanted in datasets.values():
        found.update(_if_available(wanted, partial(evalplus, wanted)).items())
    for splits in subsets.values():
        found.update(_if_available(splits, partial(bigcodebench, splits)).items())
    if not any(evaluated.entry["available"] for evaluated in found.values()):
        raise DataUnavailableError("; ".join(dict.fromkeys(evaluated.entry["reason"] for evaluated in found.values())))
    return {benchmark: found[benchmark] for benchmark in benchmarks}


def _if_available(wanted: Sequence[B], measure: Callable[[], dict[B, Evaluated]]) -> dict[B, Evaluated]:
    """What is measured or, of each benchmark, why its data cannot be had."""
    try:
        return measure()
    except DataUnavailableError as error:
        logger.warning("%s: %s", " and ".join(wanted), error)
        return dict.fromkeys(wanted, Evaluated({"available": False, "reason": str(error)}, ()))


def _write(name: str, results: dict[Benchmark, Evaluated], out: Path) -> dict[str, float]:
    """Write both files of a run, samples first: results.json never stands beside another run's samples."""
    # Two benchmarks of one data set have the same samples; of one task, equal ones count as often as they were drawn.
    samples = chain.from_iterable(dict.fromkeys(evaluated.samples for evaluated in results.values()))
    (out / RESULTS).unlink(missing_ok=True)
    write_jsonl(out / SAMPLES, samples)
    entries = {benchmark: evaluated.entry for benchmark, evaluated in results.items()}
    with atomic_writer(out / RESULTS) as file:
        json.dump({"model": name, "benchmarks": entries}, file, indent=2, sort_keys=True)
        file.write("\n")
    metrics: dict[str, float] = {}
    for benchmark, entry in entries.items():
        metrics.update(metrics_of(benchmark, entry))
    return metrics
