"""Read results, metrics and DVC's hashes of other stages."""

from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from iterpref_core.evaluation.evaluation.results_file import load_model_results
from iterpref_core.evaluation.report.labels import MODELS, in_order
from iterpref_core.records.errors import InputError
from iterpref_core.records.input_files import read_text, read_yaml
from iterpref_core.records.results import ModelResults
from iterpref_core.records.stage_results import StageResult
from iterpref_core.storage.jsonl import describe_validation_error

T = TypeVar("T")
R = TypeVar("R", bound=StageResult)


def load_results(folder: Path, models: Collection[str] | None = None) -> dict[str, ModelResults]:
    """Load every `<model>/results.json` of a folder, in the order of the results table.

    Args:
        folder: the folder.
        models: names of the models to load, those without results left out; by default all.

    Raises:
        InputError: no model has results, or a file cannot be read.
    """
    paths = {}
    # Folders of models that left the experiment are skipped.
    for path in folder.glob("*/results.json"):
        if models is None or path.parent.name in models:
            paths[path.parent.name] = path
    if not paths:
        raise InputError(f"{folder}: no model has results here; run `dvc repro` (stage evaluation) first")
    results = {}
    for name in in_order(set(paths), MODELS):
        results[name] = load_model_results(paths[name])
    return results


def load_json(path: Path, kind: type[T], stage: str) -> T:
    """Load a stage's file of JSON.

    Raises:
        InputError: the file is absent, or not of the kind.
    """
    text = read_text(path, f"run `dvc repro {stage}` first")
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise _made_by_another_version(path, error, stage) from None


def load_result(path: Path, kind: type[R]) -> R:
    """Load the record of a stage from its metrics.

    Raises:
        InputError: the file is absent, is not a JSON object of numbers, or lacks a metric.
    """
    try:
        return kind.of_metrics(load_json(path, dict[str, float], path.stem))
    except ValidationError as error:
        raise _made_by_another_version(path, error, path.stem) from None


def _made_by_another_version(path: Path, error: ValidationError, stage: str) -> InputError:
    reason = describe_validation_error(error)
    return InputError(f"{path}: {reason}; run `dvc repro --force --single-item {stage}`")


def load_hashes(lock: Path) -> dict[str, str]:
    """Return artifact → md5 from `dvc.lock`; empty if DVC has not run.

    Metrics are left out, because they are not inputs of results; so are the report's own files, whose hashes here would
    belong to the previous report.

    Raises:
        InputError: the file is not a lock file of DVC.
    """
    if not lock.is_file():
        return {}
    content = read_yaml(lock)
    try:
        outs: dict[str, str] = {}
        for name, stage in content["stages"].items():
            if name == "report":
                continue
            for out in stage.get("outs", ()):
                outs[out["path"]] = out["md5"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{lock}: not a dvc.lock ({error}); restore it (git has it), or move it away and run `dvc repro`"
        ) from None
    return {path: md5 for path, md5 in sorted(outs.items()) if not path.startswith("metrics/")}
