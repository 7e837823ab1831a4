"""The summary of an experiment, gathered from the stages' outputs.

The same experiment gives the same object: it has no time, no duration and no git commit.
"""

import platform
from collections.abc import Collection, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from iterpref_core.evaluation.report.comparisons import compare_models, scores_of
from iterpref_core.evaluation.report.stage_outputs import (
    load_hashes,
    load_json,
    load_result,
    load_results,
)
from iterpref_core.evaluation.report.summary_record import (
    BenchmarkScores,
    CodeflowSummary,
    Contamination,
    Provenance,
    Summary,
)
from iterpref_core.records.config import Params
from iterpref_core.records.results import GroundTruth, ModelResults
from iterpref_core.records.stage_results import CodeflowResult, LocalizationResult, PairsResult, ValidityResult

PACKAGES = ("dvc", "evalplus", "mlflow", "prefect", "tokenizers", "torch", "transformers", "trl")


def build_summary(
    results: Path,
    metrics: Path,
    params: Params,
    lock: Path,
    contamination: Path | None,
    names: Collection[str] | None,
) -> Summary:
    """Gather the summary from the stages' outputs.

    Args:
        results: the folder of `<model>/results.json`. Absent models are named under `missing`.
        metrics: the folder of the stages' metrics.
        params: the parameters, recorded whole.
        lock: `dvc.lock`, for the hashes of all artifacts.
        contamination: the file of stage pairs on the overlap of pairs with benchmarks; None: not checked.
        names: the models of the experiment; None: all models with results.

    Raises:
        InputError: a file is absent or unusable, or models were measured on different data.
    """
    models = load_results(results, names)
    scores: dict[str, dict[str, BenchmarkScores]] = {}
    data: set[tuple[str, str]] = set()
    isolation: set[str] = set()
    for name, model in models.items():
        scores[name] = {}
        for benchmark, result in model.measured.items():
            scores[name][benchmark] = scores_of(result)
            # Models share data and isolation, so a set keeps each once.
            data.add((result.data.name, result.data.sha256))
            isolation.add(result.isolation)
    return Summary(
        codeflow=_codeflow(metrics),
        validity=load_result(metrics / "validity.json", ValidityResult),
        localization=load_result(metrics / "localization.json", LocalizationResult),
        contamination=contamination and load_json(contamination, Contamination, "pairs"),
        models=scores,
        unavailable={name: model.unavailable for name, model in models.items() if model.unavailable},
        missing=tuple(name for name in names or () if name not in models),
        ground_truth=_ground_truth(models.values()),
        comparisons=compare_models(models),
        provenance=Provenance(
            params=params.model_dump(mode="json"),
            inputs=load_hashes(lock),
            weights={name: model.weights for name, model in models.items() if model.weights},
            data=dict(sorted(data)),
            isolation="; ".join(sorted(isolation)),
            versions=_versions(),
        ),
    )


def problem_outcomes(summary: Summary) -> list[tuple[str, int, float]]:
    """Return (outcome, number of problems, share of all problems), the pairs first, then every reason by size."""
    dropped = summary.codeflow.dropped
    # Ties are broken by name, so that the order is always the same.
    largest_first = sorted(dropped, key=lambda reason: (-dropped[reason], reason))
    counts = {"became a pair": summary.codeflow.problems_with_pair} | {name: dropped[name] for name in largest_first}
    total = max(summary.codeflow.problems, 1)
    return [(outcome, count, count / total) for outcome, count in counts.items()]


def _codeflow(metrics: Path) -> CodeflowSummary:
    codeflow = load_result(metrics / "codeflow.json", CodeflowResult)
    pairs = load_result(metrics / "pairs.json", PairsResult)
    return CodeflowSummary(
        problems=codeflow.problems,
        pass_rate_by_iteration=tuple(share for _, share in sorted(codeflow.pass_rate.items())),
        pairs=pairs.pairs,
        inside=codeflow.inside,
        further_pairs=pairs.further_pairs,
        dropped=dict(sorted(pairs.dropped.items())),
        verdicts=dict(sorted(codeflow.verdicts.items())),
        llm_calls=codeflow.llm_calls,
        tokens=codeflow.prompt_tokens + codeflow.completion_tokens,
        prompt_tokens=codeflow.prompt_tokens,
        completion_tokens=codeflow.completion_tokens,
        cost_usd=codeflow.cost_usd,
        calls_per_pair=codeflow.llm_calls / pairs.pairs if pairs.pairs else None,
        cost_usd_per_pair=codeflow.cost_usd / pairs.pairs if pairs.pairs else None,
    )


def _ground_truth(models: Iterable[ModelResults]) -> dict[str, GroundTruth]:
    """Return benchmark → the outcome of the benchmark's canonical solutions, the worst over the models' runs."""
    lowest: dict[str, GroundTruth] = {}
    for model in models:
        for name, result in model.measured.items():
            truth = result.ground_truth
            if truth and (name not in lowest or truth.passed < lowest[name].passed):
                lowest[name] = truth.model_copy(update={"reasons": None})
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
