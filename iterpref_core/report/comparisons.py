"""Model comparisons on the same tasks, and scores of parts of a benchmark."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from iterpref_core.errors import InputError
from iterpref_core.report.labels import BASELINES, FOCAL
from iterpref_core.report.stage_outputs import Measured, ModelResults
from iterpref_core.statistics.paired_tests import ROUNDING, compare_shares
from iterpref_core.statistics.pass_at_k import score_tasks, shares_passed

Overlapping = Mapping[str, Collection[str]]
"""Name of a benchmark, or SHA-256 of its file → its tasks that training pairs share something with."""

BRIEF = ("n", "gained", "lost", "difference", "ci95", "p_value")
"""The fields of a comparison on a part of the tasks."""

Comparison = dict[str, Any]
"""One model against another on one benchmark, as it stands in summary.json."""


def left_out(
    benchmark: str,
    result: Measured,
    overlapping: Overlapping,
) -> dict[str, set[str]]:
    """Return, for each part of a benchmark, the tasks that are not in the part.

    A part is one of `score_rows.PARTS` or a difficulty. HumanEval+ has the tasks of HumanEval, and so on: pairs that
    overlap with one overlap with the other.
    """
    tasks = set(result.verdicts)
    # "humaneval+" has the tasks of "humaneval", and "bigcodebench-hard-complete" those of "bigcodebench".
    without_plus = benchmark.rstrip("+")
    family = benchmark.partition("-")[0]
    shared: set[str] = set()
    for key in (benchmark, without_plus, family, result.data.sha256):
        shared.update(overlapping.get(key, ()))
    shared &= tasks
    failed: set[str] = set()
    if result.ground_truth:
        failed = tasks.intersection(result.ground_truth.failed)
    parts: dict[str, set[str]] = {}
    if failed:
        parts["without_failed_truth"] = failed
    if shared:
        parts["without_overlap"] = shared
    for name, difficulty in result.by_difficulty.items():
        parts[name] = tasks - set(difficulty["tasks"])
    return parts


def scores_of(benchmark: str, result: Measured, overlapping: Overlapping) -> dict[str, Any]:
    """Return a benchmark's scores for summary.json; `parts` has those of each part.

    Args:
        benchmark: the benchmark's name.
        result: the result of one model.
        overlapping: the tasks that share something with training pairs.
    """
    fields = {"n", "pass_at_1", "ci95", "errors", "exceptions"}
    scores = result.model_dump(mode="json", include=fields, exclude_none=True)
    scores |= result.beyond
    scores["samples"] = sum(len(verdicts) for verdicts in result.verdicts.values())
    parts = {}
    for name, without in left_out(benchmark, result, overlapping).items():
        part = score_tasks(result.verdicts, without)
        if part is not None:
            parts[name] = part.to_json()
    if parts:
        scores["parts"] = parts
    return scores


def compare_models(
    models: Mapping[str, ModelResults],
    overlapping: Overlapping,
    resamples: int,
    seed: int,
) -> dict[str, dict[str, dict[str, Comparison]]]:
    """Compare each model with base, and the focal objectives with every baseline too.

    Args:
        models: results by model.
        overlapping: tasks that training pairs share something with.
        resamples: the number of bootstrap resamples.
        seed: the seed of the resampling.

    Returns:
        model → compared with → benchmark → comparison.

    Raises:
        InputError: two models were measured on different data.
    """
    compared: dict[str, dict[str, dict[str, Comparison]]] = {}
    for name, model in models.items():
        others = ["base"]
        if name in FOCAL:
            others += BASELINES
        for against in others:
            if against not in models or against == name:
                continue
            comparisons = compared.setdefault(name, {}).setdefault(against, {})
            for benchmark in model.measured:
                if benchmark in models[against].measured:
                    comparison = _compare(
                        model=model,
                        against=models[against],
                        benchmark=benchmark,
                        overlapping=overlapping,
                        resamples=resamples,
                        seed=seed,
                    )
                    if comparison:
                        comparisons[benchmark] = comparison
    return compared


def _compare(
    model: ModelResults,
    against: ModelResults,
    benchmark: str,
    overlapping: Overlapping,
    resamples: int,
    seed: int,
) -> Comparison:
    ours = model.measured[benchmark]
    theirs = against.measured[benchmark]
    # A paired test compares the same tasks; under the same name they may have been composed anew in between.
    if ours.data.sha256 != theirs.data.sha256:
        raise InputError(
            f"results: {benchmark} of {model.model} and of {against.model} were measured on different data; "
            "run stage evaluation again for both"
        )
    comparison = compare_results(ours, theirs, (), resamples, seed)
    parts: dict[str, Comparison] = {}
    for name, without in left_out(benchmark, ours, overlapping).items():
        rest = compare_results(ours, theirs, without, resamples, seed)
        if rest:
            parts[name] = {key: rest[key] for key in BRIEF}
    if parts:
        comparison["parts"] = parts
    return comparison


def compare_results(
    ours: Measured,
    theirs: Measured,
    without: Collection[str],
    resamples: int,
    seed: int,
) -> Comparison:
    """Compare a model's result with another's, on the tasks that both were judged on.

    Args:
        ours: the model's result.
        theirs: the other model's result.
        without: tasks to leave out.
        resamples: the number of bootstrap resamples.
        seed: the seed of the resampling.

    Returns:
        The fields of `PairedComparison`; `tasks_gained` and `tasks_lost`; and the numbers of tasks that `both` models
        solve (equally often), or `neither`. Empty if the models share no task.
    """
    new = _shares(ours, without)
    old = _shares(theirs, without)
    comparison = compare_shares(new, old, resamples, seed)
    if comparison is None:
        return {}
    gained = []
    lost = []
    both = 0
    neither = 0
    for task_id, share in new.items():
        if task_id not in old:
            continue
        effect = share - old[task_id]
        if effect > ROUNDING:
            gained.append(task_id)
        elif effect < -ROUNDING:
            lost.append(task_id)
        elif share > 0:
            both += 1
        else:
            neither += 1
    return asdict(comparison) | {
        "ci95": list(comparison.ci95),
        "tasks_gained": gained,
        "tasks_lost": lost,
        "both": both,
        "neither": neither,
    }


def _shares(result: Measured, without: Collection[str]) -> dict[str, float]:
    shares = shares_passed(result.verdicts)
    return {task_id: share for task_id, share in shares.items() if task_id not in without}
