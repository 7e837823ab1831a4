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
"""What a comparison on a part of the tasks keeps."""

Comparison = dict[str, Any]
"""One model against another on one benchmark, as it stands in summary.json."""


def left_out(benchmark: str, result: Measured, overlapping: Overlapping) -> dict[str, set[str]]:
    """Part of a benchmark, one of `score_rows.PARTS` or a difficulty → its tasks that are not in the part.

    HumanEval+ asks what HumanEval asks, and so on: what overlaps with one overlaps with the other.
    """
    tasks = set(result.verdicts)
    keys = {benchmark, benchmark.rstrip("+"), benchmark.partition("-")[0], result.data.sha256}
    shared = {task_id for key in keys for task_id in overlapping.get(key, ())} & tasks
    failed = set(result.ground_truth.failed) & tasks if result.ground_truth else set()
    parts = {"without_failed_truth": failed, "without_overlap": shared}
    difficulties = {name: tasks - set(group["tasks"]) for name, group in result.by_difficulty.items()}
    return {name: without for name, without in parts.items() if without} | difficulties


def scores_of(benchmark: str, result: Measured, overlapping: Overlapping) -> dict[str, Any]:
    """A benchmark's scores as they stand in summary.json; `parts` has those of each part.

    Args:
        benchmark: its name.
        result: of one model.
        overlapping: tasks that training pairs share something with.
    """
    fields = {"n", "pass_at_1", "ci95", "pass_at_5", "pass_at_5_ci95", "errors", "exceptions"}
    scores = result.model_dump(mode="json", include=fields, exclude_none=True)
    scores["samples"] = sum(map(len, result.verdicts.values()))
    parts = {
        name: part.to_json()
        for name, without in left_out(benchmark, result, overlapping).items()
        if (part := score_tasks(result.verdicts, without))
    }
    return scores | ({"parts": parts} if parts else {})


def compare_models(
    models: Mapping[str, ModelResults], overlapping: Overlapping, resamples: int, seed: int
) -> dict[str, dict[str, dict[str, Comparison]]]:
    """Model → against → benchmark → paired difference: each model to base, focal objectives to every baseline too.

    Args:
        models: results by model.
        overlapping: tasks that training pairs share something with.
        resamples: bootstrap resamples.
        seed: of the resampling.

    Raises:
        InputError: two models were measured on different data.
    """
    compared: dict[str, dict[str, dict[str, Comparison]]] = {}
    for name, model in models.items():
        for against in ("base", *(BASELINES if name in FOCAL else ())):
            if against in models and against != name:
                comparisons = {
                    benchmark: _compare(model, models[against], benchmark, overlapping, resamples, seed)
                    for benchmark in model.measured
                    if benchmark in models[against].measured
                }
                compared.setdefault(name, {})[against] = {name: item for name, item in comparisons.items() if item}
    return compared


def _compare(
    model: ModelResults, against: ModelResults, benchmark: str, overlapping: Overlapping, resamples: int, seed: int
) -> Comparison:
    ours, theirs = model.measured[benchmark], against.measured[benchmark]
    if ours.data.sha256 != theirs.data.sha256:
        raise InputError(
            f"results: {benchmark} of {model.model} and of {against.model} were measured on different data; "
            "run stage evaluation again for both"
        )
    comparison = compare_results(ours, theirs, (), resamples, seed)
    parts = {
        name: {key: rest[key] for key in BRIEF}
        for name, without in left_out(benchmark, ours, overlapping).items()
        if (rest := compare_results(ours, theirs, without, resamples, seed))
    }
    return comparison | ({"parts": parts} if parts else {})


def compare_results(
    ours: Measured, theirs: Measured, without: Collection[str], resamples: int, seed: int
) -> Comparison:
    """A model's result against another's, on the tasks that both were judged on; empty where there is none.

    Beside the fields of `PairedComparison` it has `tasks_gained` and `tasks_lost`, and the rest of the matrix of what
    was broken and fixed: `both` solve a task (equally often), or `neither`.

    Args:
        ours: the model's.
        theirs: the other one's.
        without: tasks to leave out.
        resamples: bootstrap resamples.
        seed: of the resampling.
    """
    new, old = (
        {task_id: share for task_id, share in shares_passed(result.verdicts).items() if task_id not in without}
        for result in (ours, theirs)
    )
    comparison = compare_shares(new, old, resamples, seed)
    if comparison is None:
        return {}
    effects = {task_id: share - old[task_id] for task_id, share in new.items() if task_id in old}
    same = [task_id for task_id, effect in effects.items() if abs(effect) <= ROUNDING]
    both = sum(new[task_id] > 0 for task_id in same)
    return asdict(comparison) | {
        "ci95": list(comparison.ci95),
        "tasks_gained": [task_id for task_id, effect in effects.items() if effect > ROUNDING],
        "tasks_lost": [task_id for task_id, effect in effects.items() if effect < -ROUNDING],
        "both": both,
        "neither": len(same) - both,
    }
