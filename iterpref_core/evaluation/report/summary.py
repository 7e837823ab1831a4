"""Gather the summary of an experiment from the stages' outputs.

The same experiment gives the same object: it has no time, no duration and no git commit.
"""

import platform
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from iterpref_core.records import (
    CodeflowResult,
    GroundTruth,
    InputError,
    LocalizationResult,
    ModelResults,
    PairsResult,
    Params,
    StageResult,
    ValidityResult,
    read_text,
    read_yaml,
)
from iterpref_core.storage.jsonl import describe_validation_error

from ..evaluation.results_file import load_model_results
from .comparisons import compare_models, scores_of
from .display_names import MODELS, in_order, in_words
from .summary_record import BenchmarkScores, Contamination, Provenance, Summary

T = TypeVar("T")
R = TypeVar("R", bound=StageResult)

_NUMBERS = TypeAdapter(dict[str, float])
PACKAGES = ("dvc", "evalplus", "mlflow", "prefect", "tokenizers", "torch", "transformers", "trl")


@dataclass(frozen=True)
class ReportFiles:
    """The files that a report is made from.

    Attributes:
        results: the folder of `<model>/results.json`; the report names absent models.
        metrics: the folder of the stages' metrics.
        pairs: `pairs.jsonl`.
        focal: `focal.jsonl`, the pairs with their error regions.
        problems: `problems.jsonl`, for the prompts in the explorer.
        trajectories: `trajectories.jsonl`, for the explorer.
        dropped: `dropped.jsonl`, the trajectories without a pair and the reasons.
        contamination: the file of stage pairs on the overlap of pairs with benchmarks.
        lock: `dvc.lock`, for the hashes of all artifacts; may be absent.
        times: a folder of files that each hold the seconds of a stage's last run on this machine; may be absent.
    """

    results: Path
    metrics: Path
    pairs: Path
    focal: Path
    problems: Path
    trajectories: Path
    dropped: Path
    contamination: Path
    lock: Path
    times: Path


def build_summary(
    files: ReportFiles,
    params: Params,
    names: Collection[str] | None = None,
) -> Summary:
    """Gather the summary from the stages' outputs.

    Args:
        files: the stages' outputs.
        params: the parameters, recorded whole.
        names: the models of the experiment; None: all models with results.

    Raises:
        InputError: a file is absent or unusable, or models were measured on different data.
    """
    models = load_results(files.results, names)
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
        codeflow=load_result(files.metrics / "codeflow.json", CodeflowResult),
        pairs=load_result(files.metrics / "pairs.json", PairsResult),
        validity=load_result(files.metrics / "validity.json", ValidityResult),
        localization=load_result(files.metrics / "localization.json", LocalizationResult),
        contamination=_load(files.contamination, "pairs", Contamination.model_validate_json),
        models=scores,
        unavailable={name: model.unavailable for name, model in models.items() if model.unavailable},
        missing=tuple(name for name in names or () if name not in models),
        ground_truth=_ground_truth(models.values()),
        comparisons=compare_models(models),
        provenance=Provenance(
            params=params.model_dump(mode="json"),
            inputs=load_hashes(files.lock),
            weights={name: model.weights for name, model in models.items() if model.weights},
            data=dict(sorted(data)),
            isolation="; ".join(sorted(isolation)),
            versions=_versions(),
        ),
    )


def figures(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield the figures of the stages' results that the terminal and the page show, as (name, text)."""
    tokens, dollars = summary.cost
    counted = f"{tokens:,} tokens" + (f", ${dollars:.2f}" if dollars else "")
    yield "answers", f"{counted} (estimated: a server did not count them)" if summary.is_estimated else counted
    yield from pair_figures(summary.codeflow, summary.pairs)
    if summary.codeflow.inside:
        yield "run inside", f"{summary.codeflow.inside:,} of {summary.codeflow.problems:,} problems"


def pair_figures(codeflow: CodeflowResult, pairs: PairsResult) -> Iterator[tuple[str, str]]:
    """Yield the figures of the chosen pairs, as (name, text): of the attempts, and of each file of own pairs."""
    total = f"of {codeflow.problems:,} problems"
    if codeflow.problems:
        yield "pairs", f"{pairs.paired:,} {total}"
    if pairs.replayed:
        yield "replay", f"{pairs.replayed:,} {total}"
    for name, counts in (pairs.own or {}).items():
        taken = counts["pairs"] + counts.get("replay", 0)
        left_out = {why: count for why, count in counts.items() if count and why not in ("pairs", "replay")}
        reasons = [f"{count:,} {in_words(why)}" for why, count in left_out.items()]
        yield "own pairs", ", ".join([f"{taken:,} of {sum(counts.values()):,} in {name}", *reasons])


def problem_outcomes(summary: Summary) -> list[tuple[str, int, float]]:
    """Return (outcome, problems, share of all problems): pairs, replayed drafts, then every reason by size."""
    # The reasons are in order of their names, and so are ties.
    pairs = summary.pairs
    dropped = Counter(dict(sorted(pairs.dropped.items()))).most_common()
    total = max(summary.codeflow.problems, 1)
    replayed = [("replayed", pairs.replayed)] if pairs.replay is not None else []
    counts = [("became a pair", pairs.paired), *replayed, *dropped]
    return [(outcome, count, count / total) for outcome, count in counts]


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
        # The core works without the orchestration around it.
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return dict(sorted(versions.items()))


def load_results(
    folder: Path,
    models: Collection[str] | None = None,
) -> dict[str, ModelResults]:
    """Load every `<model>/results.json` of a folder, in the order of the results table.

    Args:
        folder: the folder.
        models: names of the models to load, those without results left out; by default all.

    Raises:
        InputError: no model has results, or a file cannot be read.
    """
    # Folders of models that left the experiment are skipped.
    found = {path.parent.name for path in folder.glob("*/results.json")}
    wanted = found if models is None else found & {*models}
    if not wanted:
        raise InputError(f"{folder}: no model has results here; run `dvc repro` (stage evaluation) first")
    return {name: load_model_results(folder / name) for name in in_order(wanted, MODELS)}


def load_result(path: Path, kind: type[R]) -> R:
    """Load the record of a stage from its metrics.

    Raises:
        InputError: the file is absent, is not a JSON object of numbers, or lacks a metric.
    """
    return _load(path, path.stem, lambda text: kind.of_metrics(_NUMBERS.validate_json(text)))


def _load(
    path: Path,
    stage: str,
    parse: Callable[[str], T],
) -> T:
    """Return the content of a stage's file."""
    text = read_text(path, f"run `dvc repro {stage}` first")
    try:
        return parse(text)
    except ValidationError as error:
        reason = describe_validation_error(error)
        raise InputError(f"{path}: {reason}; run `dvc repro --force --single-item {stage}`") from None


def load_hashes(lock: Path) -> dict[str, str]:
    """Return artifact → md5 from `dvc.lock`; empty if DVC has not run.

    Metrics are left out, because they are not inputs of results; so are the report's own files, whose hashes here would
    belong to the previous report.
    """
    if not lock.is_file():
        return {}
    hashes = {}
    for name, stage in read_yaml(lock)["stages"].items():
        for out in stage.get("outs", ()):
            if name != "report" and not out["path"].startswith("metrics/"):
                hashes[out["path"]] = out["md5"]
    return dict(sorted(hashes.items()))
