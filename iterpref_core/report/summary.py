"""`reports/summary.json`: the experiment in one object that scripts can rely on (docs: contracts).

It holds nothing that changes when nothing was changed: no time, no duration, no git commit.
"""

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from iterpref_core.config import Params
from iterpref_core.errors import InputError
from iterpref_core.input_files import Place, parse_json, read_text
from iterpref_core.report.comparisons import compare_models, scores_of
from iterpref_core.report.labels import EXPERIMENT
from iterpref_core.report.stage_outputs import ModelResults, group, load_hashes, load_metrics, load_results
from iterpref_core.report.supplied_results import load_calls, load_published
from iterpref_core.report.validity_section import validity_summary
from iterpref_core.storage.jsonl import atomic_writer

Summary = dict[str, Any]
"""The object in `summary.json`."""

PACKAGES = ("dvc", "evalplus", "mlflow", "prefect", "tokenizers", "torch", "transformers", "trl")


def build_summary(
    results: Path,
    metrics: Path,
    params: Params,
    lock: Path,
    contamination: Path | None = None,
    supplied: Path | None = None,
) -> Summary:
    """Gather the summary from what the stages wrote.

    Args:
        results: folder of `<model>/results.json`. Models that are absent are named under `missing`.
        metrics: folder of the stages' metrics.
        params: the parameters, recorded whole.
        lock: `dvc.lock`, for the hashes of all artifacts.
        contamination: what pairs share with benchmarks, as stage pairs wrote it; nothing is said of it by default.
        supplied: folder of published scores and of debugging against sampling; each may be absent.

    Raises:
        InputError: a file is absent or unusable, or models were measured on different data.
    """
    models = load_results(results)
    found: Summary = {} if contamination is None else read_object(contamination, "pairs")
    looked_at = found.get("benchmarks", {})
    overlapping = {key: one["overlapping"] for name, one in looked_at.items() for key in (name, one["sha256"])}
    return {
        "codeflow": _codeflow(metrics),
        "validity": validity_summary(load_metrics(metrics / "validity.json", ("problems",))),
        "localization": dict(sorted(load_metrics(metrics / "localization.json").items())),
        "contamination": found,
        "models": {
            name: {benchmark: scores_of(benchmark, result, overlapping) for benchmark, result in model.measured.items()}
            for name, model in models.items()
        },
        "published": [row.model_dump() for row in load_published(supplied)] if supplied else [],
        "calls": [row.model_dump() for row in load_calls(supplied)] if supplied else [],
        "unavailable": {name: model.unavailable for name, model in models.items() if model.unavailable},
        "missing": [name for name in EXPERIMENT if name not in models],
        "ground_truth": _ground_truth(models.values()),
        "comparisons": compare_models(models, overlapping, params.evaluation.bootstrap, params.evaluation.seed),
        "provenance": {
            "params": params.model_dump(mode="json"),
            "inputs": load_hashes(lock),
            "weights": {name: model.weights for name, model in models.items() if model.weights},
            "data": _data_hashes(models),
            "isolation": "; ".join(_isolation(models)),
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
        InputError: the file is absent or broken.
    """
    return read_object(path, "report")


def measured_benchmarks(summary: Summary) -> set[str]:
    """The benchmarks that some model was measured on."""
    return {name for scores in summary["models"].values() for name in scores}


@contextmanager
def using_summary(path: Path | None) -> Iterator[Summary | None]:
    """Read a summary, and use it within the block; None where there is none.

    Raises:
        InputError: the file is absent or broken, or what the block looks for is not in it.
    """
    if path is None:
        yield None
        return
    try:
        yield read_summary(path)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: is not a complete summary ({type(error).__name__}: {error}); "
            "run `dvc repro --force --single-item report`"
        ) from None


def paired_problems(summary: Summary) -> int:
    """How many problems gave a pair; some gave several where `pairs.rejected` is `all`."""
    codeflow = summary["codeflow"]
    return int(codeflow["pairs"] - codeflow.get("further_pairs", 0))


def problem_outcomes(summary: Summary) -> list[tuple[str, int, float]]:
    """(what became of the problems, how many, share of all), the pairs first, then every reason by size."""
    codeflow = summary["codeflow"]
    dropped = sorted(codeflow["dropped"].items(), key=lambda item: (-item[1], item[0]))
    rows = [("became a pair", paired_problems(summary)), *dropped]
    return [(name, count, count / max(codeflow["problems"], 1)) for name, count in rows]


def read_object(path: Path, stage: str) -> Summary:
    """Read a JSON object that a stage wrote.

    Raises:
        InputError: the file is absent or broken.
    """
    found = parse_json(read_text(path, f"run `dvc repro {stage}` first"), Place(path, 1))
    if not isinstance(found, dict):
        raise InputError(f"{path}: is no JSON object; run `dvc repro --force --single-item {stage}`")
    return found


def _codeflow(metrics: Path) -> Summary:
    needed = ("problems", "llm_calls", "prompt_tokens", "completion_tokens")
    codeflow = load_metrics(metrics / "codeflow.json", needed)
    pairs = load_metrics(metrics / "pairs.json", ("pairs",))
    by_iteration = {int(key.partition("/")[2]): rate for key, rate in codeflow.items() if key.startswith("pass_rate/")}
    prompt, completion = int(codeflow["prompt_tokens"]), int(codeflow["completion_tokens"])
    calls, cost = int(codeflow["llm_calls"]), codeflow.get("cost_usd", 0.0)  # a model that runs here has no bill
    accepted = int(pairs["pairs"])
    of_a_pair = {"calls_per_pair": calls / accepted, "cost_usd_per_pair": cost / accepted} if accepted else {}
    return {
        "problems": int(codeflow["problems"]),
        "pass_rate_by_iteration": [by_iteration[iteration] for iteration in sorted(by_iteration)],
        "pairs": accepted,
        **({"further_pairs": int(pairs["further_pairs"])} if "further_pairs" in pairs else {}),
        "dropped": group(pairs, "dropped"),
        "verdicts": group(codeflow, "verdicts"),
        "llm_calls": calls,
        "tokens": prompt + completion,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cost_usd": cost,
        **of_a_pair,
    }


def _ground_truth(models: Iterable[ModelResults]) -> Summary:
    """Benchmark → how the harness judged the benchmark's own solutions, the worst over the models' runs."""
    found: Summary = {}
    for model in models:
        for name, result in model.measured.items():
            truth = result.ground_truth
            if truth and (name not in found or truth.passed < found[name]["passed"]):
                found[name] = truth.model_dump(mode="json")
    return found


def _data_hashes(models: Mapping[str, ModelResults]) -> dict[str, str]:
    used = {(r.data.name, r.data.sha256) for model in models.values() for r in model.measured.values()}
    return dict(sorted(used))


def _isolation(models: Mapping[str, ModelResults]) -> list[str]:
    return sorted({r.isolation for model in models.values() for r in model.measured.values()})


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # the core works without the orchestration around it
            continue
    return dict(sorted(found.items()))
