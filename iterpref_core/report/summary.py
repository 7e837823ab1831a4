"""`reports/summary.json`: the experiment in one object that scripts can rely on.

The same experiment gives the same object: it has no time, no duration and no git commit.
"""

import json
import platform
from collections.abc import Collection, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from iterpref_core.config import Params
from iterpref_core.errors import InputError
from iterpref_core.input_files import LinePlace, parse_json, read_text
from iterpref_core.report.comparisons import compare_models, scores_of
from iterpref_core.report.labels import BENCHMARKS, EXPERIMENT, in_order
from iterpref_core.report.stage_outputs import ModelResults, group, load_hashes, load_metrics, load_results
from iterpref_core.report.validity_section import validity_summary
from iterpref_core.storage.jsonl import atomic_writer

Summary = dict[str, Any]
"""The object in `summary.json`."""

PARTS = ("codeflow", "contamination", "models", "comparisons", "unavailable", "missing", "ground_truth", "provenance")
"""The fields that every summary has."""

PACKAGES = ("dvc", "evalplus", "mlflow", "prefect", "tokenizers", "torch", "transformers", "trl")


def build_summary(
    results: Path,
    metrics: Path,
    params: Params,
    lock: Path,
    contamination: Path | None = None,
    names: Collection[str] | None = None,
) -> Summary:
    """Gather the summary from the stages' outputs.

    Args:
        results: the folder of `<model>/results.json`. Absent models are named under `missing`.
        metrics: the folder of the stages' metrics.
        params: the parameters, recorded whole.
        lock: `dvc.lock`, for the hashes of all artifacts.
        contamination: the file of stage pairs on the overlap of pairs with benchmarks; empty in the summary by default.
        names: the models of the experiment; by default those that have results, and `EXPERIMENT`.

    Raises:
        InputError: a file is absent or unusable, or models were measured on different data.
    """
    models = load_results(results, names)
    overlap: Summary = {} if contamination is None else read_object(contamination, "pairs")
    screened = overlap.get("benchmarks", {})
    overlapping = {}
    for name, file in screened.items():
        overlapping[name] = file["overlapping"]
        overlapping[file["sha256"]] = file["overlapping"]
    scores: Summary = {}
    data: set[tuple[str, str]] = set()
    isolation: set[str] = set()
    for name, model in models.items():
        scores[name] = {}
        for benchmark, result in model.measured.items():
            scores[name][benchmark] = scores_of(benchmark, result, overlapping)
            data.add((result.data.name, result.data.sha256))
            isolation.add(result.isolation)
    return {
        "codeflow": _codeflow(metrics),
        "validity": validity_summary(load_metrics(metrics / "validity.json", ("problems",))),
        "localization": dict(sorted(load_metrics(metrics / "localization.json").items())),
        "contamination": overlap,
        "models": scores,
        "unavailable": {name: model.unavailable for name, model in models.items() if model.unavailable},
        "missing": [name for name in (EXPERIMENT if names is None else names) if name not in models],
        "ground_truth": _ground_truth(models.values()),
        "comparisons": compare_models(models, overlapping, params.evaluation.bootstrap, params.evaluation.seed),
        "provenance": {
            "params": params.model_dump(mode="json"),
            "inputs": load_hashes(lock),
            "weights": {name: model.weights for name, model in models.items() if model.weights},
            "data": dict(sorted(data)),
            "isolation": "; ".join(sorted(isolation)),
            "versions": _versions(),
        },
    }


def write_summary(summary: Summary, path: Path) -> None:
    """Write the summary, its keys sorted."""
    with atomic_writer(path) as file:
        json.dump(summary, file, indent=2, sort_keys=True, ensure_ascii=False)
        file.write("\n")


def read_summary(path: Path) -> Summary:
    """Read a summary that was written before.

    Raises:
        InputError: the file is absent, broken or not whole.
    """
    summary = read_object(path, "report")
    for name in PARTS:
        if name not in summary:
            raise InputError(f"{path}: has no {name!r}; run `dvc repro --force --single-item report`")
    return summary


def paired_problems(summary: Summary) -> int:
    """Return the number of problems with a pair. With `pairs.rejected: all` a problem may have several pairs."""
    codeflow = summary["codeflow"]
    # `further_pairs` are the second and later pairs of a problem.
    return int(codeflow["pairs"] - codeflow.get("further_pairs", 0))


def problem_outcomes(summary: Summary) -> list[tuple[str, int, float]]:
    """Return (outcome, number of problems, share of all problems), the pairs first, then every reason by size."""
    dropped = summary["codeflow"]["dropped"]
    largest_first = sorted(dropped, key=lambda reason: (-dropped[reason], reason))
    counts = {"became a pair": paired_problems(summary)}
    for reason in largest_first:
        counts[reason] = dropped[reason]
    total = max(summary["codeflow"]["problems"], 1)
    return [(outcome, count, count / total) for outcome, count in counts.items()]


def unavailable_by_reason(summary: Summary) -> dict[str, list[str]]:
    """Return the reasons why benchmarks could not be measured → the benchmarks, in their order."""
    reasons: dict[str, set[str]] = {}
    for missing in summary["unavailable"].values():
        for name, reason in missing.items():
            reasons.setdefault(reason, set()).add(name)
    by_reason = {}
    for reason in sorted(reasons):
        by_reason[reason] = in_order(reasons[reason], BENCHMARKS)
    return by_reason


def read_object(path: Path, stage: str) -> Summary:
    """Read a JSON object that a stage wrote.

    Raises:
        InputError: the file is absent or broken.
    """
    text = read_text(path, f"run `dvc repro {stage}` first")
    parsed = parse_json(text, LinePlace(path, 1))
    if not isinstance(parsed, dict):
        raise InputError(f"{path}: not a JSON object; run `dvc repro --force --single-item {stage}`")
    return parsed


def _codeflow(metrics: Path) -> Summary:
    needed = ("problems", "llm_calls", "prompt_tokens", "completion_tokens")
    codeflow = load_metrics(metrics / "codeflow.json", needed)
    pairs = load_metrics(metrics / "pairs.json", ("pairs",))
    by_iteration: dict[int, float] = {}
    for name, rate in codeflow.items():
        if name.startswith("pass_rate/"):
            by_iteration[int(name.removeprefix("pass_rate/"))] = rate
    prompt_tokens = int(codeflow["prompt_tokens"])
    completion_tokens = int(codeflow["completion_tokens"])
    calls = int(codeflow["llm_calls"])
    # A model that runs on this machine has no bill.
    cost = codeflow.get("cost_usd", 0.0)
    accepted = int(pairs["pairs"])
    part: Summary = {
        "problems": int(codeflow["problems"]),
        "pass_rate_by_iteration": [by_iteration[iteration] for iteration in sorted(by_iteration)],
        "pairs": accepted,
        "dropped": group(pairs, "dropped"),
        "verdicts": group(codeflow, "verdicts"),
        "llm_calls": calls,
        "tokens": prompt_tokens + completion_tokens,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "cost_usd": cost,
    }
    if "further_pairs" in pairs:
        part["further_pairs"] = int(pairs["further_pairs"])
    if accepted:
        part["calls_per_pair"] = calls / accepted
        part["cost_usd_per_pair"] = cost / accepted
    return part


def _ground_truth(models: Iterable[ModelResults]) -> Summary:
    """Return benchmark → the harness's judgment of the benchmark's own solutions, the worst over the models' runs."""
    lowest: Summary = {}
    for model in models:
        for name, result in model.measured.items():
            truth = result.ground_truth
            if truth and (name not in lowest or truth.passed < lowest[name]["passed"]):
                lowest[name] = truth.model_dump(mode="json")
    return lowest


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            # The core works without the orchestration around it.
            continue
    return dict(sorted(versions.items()))
