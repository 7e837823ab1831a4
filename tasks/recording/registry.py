"""Model registry of MLflow: one version for each model that experiments made, known by its hash in DVC.

`base` and `best` are of the last report that was recorded: the student it starts from, and the trained model with the
highest pass@1, on validation problems where those were measured. They name models for readers, and select nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.tracking import MlflowClient

from iterpref_core.report.summary import Summary
from tasks.common.paths import model_path

REGISTERED = "iterpref"
JUDGE_TAG = "iterpref.best_on"
_DESCRIPTION = (
    "The models of all experiments, by the hash of their folder in DVC, which holds the weights (tag `dvc.md5`). "
    "Of the last report: `base` is the student it starts from, `best` the trained model with the highest pass@1 on "
    f"the benchmark in `{JUDGE_TAG}`."
)
_JUDGES = ("validation", "heldout")
"""Benchmarks by which a model is called the best, the preferred first."""
_NOT_TRAINED = ("base", "debugger")


def describe_models(summary: Summary) -> dict[str, Any]:
    """What the registry is told of a report.

    Returns:
        `models`: `path`, `digest`, `tags` and `aliases` of each of which DVC has the hash; `judge`: the benchmark by
        which one of them is the best, or nothing.
    """
    hashes = summary["provenance"]["inputs"]
    best, judge = _best(summary["models"])
    holders = {"base": "base", "best": best}
    described = []
    for name, scores in summary["models"].items():
        path = model_path(name).as_posix()
        tags = {_score_tag(benchmark): str(score["pass_at_1"]) for benchmark, score in scores.items()}
        aliases = [alias for alias, holder in holders.items() if name == holder]
        if path in hashes:
            described.append({"path": path, "digest": hashes[path], "tags": tags, "aliases": aliases})
    return {"models": described, "judge": judge}


def _score_tag(benchmark: str) -> str:
    return f"{benchmark.replace('+', '_plus')}/pass_at_1"  # MLflow refuses a + in a name


def _best(models: Mapping[str, Mapping[str, Any]]) -> tuple[str | None, str]:
    """The trained model with the highest pass@1, the first by name of several, and on which benchmark."""
    for judge in _JUDGES:
        scores = {
            name: measured[judge]["pass_at_1"]
            for name, measured in sorted(models.items())
            if name not in _NOT_TRAINED and judge in measured
        }
        if scores:
            return max(scores, key=lambda name: scores[name]), judge
    return None, ""


def register(client: MlflowClient, model_id: str, run_id: str, path: str, digest: str) -> None:
    """Make a version of a model, unless there is one of the same path and hash."""
    if find_version(client, path, digest) is not None:
        return
    try:
        client.create_registered_model(REGISTERED, description=_DESCRIPTION)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
    tags = {"dvc.path": path, "dvc.md5": digest}
    client.create_model_version(
        REGISTERED, f"models:/{model_id}", run_id, tags=tags, await_creation_for=0, model_id=model_id
    )


def find_version(client: MlflowClient, path: str, digest: str) -> str | None:
    """The version of the model with this path and hash."""
    query = f"name = '{REGISTERED}' and tags.`dvc.md5` = '{digest}' and tags.`dvc.path` = '{path}'"
    found = client.search_model_versions(query, max_results=1)
    return str(found[0].version) if found else None


def describe(client: MlflowClient, models: Iterable[Mapping[str, Any]], judge: str) -> None:
    """Write a report's scores and aliases to the versions; a model that was never recorded here has none."""
    for model in models:
        version = find_version(client, model["path"], model["digest"])
        if version is None:
            continue
        for key, value in model["tags"].items():
            client.set_model_version_tag(REGISTERED, version, key, value)
        for alias in model["aliases"]:
            client.set_registered_model_alias(REGISTERED, alias, version)
            if alias == "best":
                client.set_registered_model_tag(REGISTERED, JUDGE_TAG, judge)
