"""Model comparisons on the same tasks, and scores of a part of the tasks."""

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


def overlapping_tasks(benchmark: str, result: Measured, overlapping: Overlapping) -> set[str]:
    """Those of the benchmark's tasks that pairs overlap with; HumanEval+ asks what HumanEval asks, and so on."""
    keys = {benchmark, benchmark.rstrip("+"), benchmark.partition("-")[0], result.data.sha256}
    return {task_id for key in keys for task_id in overlapping.get(key, ())} & result.verdicts.keys()


def scores_of(benchmark: str, result: Measured, overlapping: Overlapping) -> dict[str, Any]:
    """A benchmark's scores as they stand in summary.json.

    Args:
        benchmark: its name.
        result: of one model.
        overlapping: tasks that training pairs share something with. Where this benchmark has some of them,
            `without_overlap` has the scores of its other tasks.
    """
    fields = {
        *("n", "pass_at_1", "ci95", "pass_at_5", "pass_at_5_ci95"),
        *("errors", "exceptions", "without_failed_truth"),
    }
    scores = result.model_dump(mode="json", include=fields, exclude_none=True)
    scores["samples"] = sum(map(len, result.verdicts.values()))
    if result.by_difficulty:
        scores["by_difficulty"] = {
            name: group.model_dump(mode="json", exclude_none=True, exclude={"tasks"})
            for name, group in result.by_difficulty.items()
        }
    tasks = overlapping_tasks(benchmark, result, overlapping)
    rest = score_tasks(result.verdicts, tasks) if tasks else None
    return scores if rest is None else scores | {"without_overlap": rest.to_json()}


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
                found = {
                    benchmark: _compare(model, models[against], benchmark, overlapping, resamples, seed)
                    for benchmark in model.measured
                    if benchmark in models[against].measured
                }
                compared.setdefault(name, {})[against] = {name: item for name, item in found.items() if item}
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
    if not comparison:
        return {}
    failed = {task_id for truth in (ours.ground_truth, theirs.ground_truth) if truth for task_id in truth.failed}
    for name, tasks in {
        "without_failed_truth": failed,
        "without_overlap": overlapping_tasks(benchmark, ours, overlapping),
    }.items():
        rest = compare_results(ours, theirs, tasks, resamples, seed) if tasks & ours.verdicts.keys() else {}
        if rest:
            comparison[name] = {key: rest[key] for key in BRIEF}
    groups = {
        name: compare_results(ours, theirs, ours.verdicts.keys() - set(group.tasks), resamples, seed)
        for name, group in ours.by_difficulty.items()
        if group.tasks
    }
    if groups:
        comparison["by_difficulty"] = {name: {key: one[key] for key in BRIEF} for name, one in groups.items() if one}
    return comparison


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
    own, other = (
        {task_id: share for task_id, share in shares_passed(result.verdicts).items() if task_id not in without}
        for result in (ours, theirs)
    )
    comparison = compare_shares(own, other, resamples, seed)
    if comparison is None:
        return {}
    effects = {task_id: share - other[task_id] for task_id, share in own.items() if task_id in other}
    same = [task_id for task_id, effect in effects.items() if abs(effect) <= ROUNDING]
    both = sum(own[task_id] > 0 for task_id in same)
    return asdict(comparison) | {
        "ci95": list(comparison.ci95),
        "tasks_gained": [task_id for task_id, effect in effects.items() if effect > ROUNDING],
        "tasks_lost": [task_id for task_id, effect in effects.items() if effect < -ROUNDING],
        "both": both,
        "neither": len(same) - both,
    }
