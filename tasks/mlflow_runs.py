"""MLflow: each stage that ran, from the files it wrote."""

import json
import os

from iterpref_core.config import load_params
from tasks.dvc_graph import load_graph
from tasks.paths import metrics_path
from tasks.worktree import home


def log_stage(stage: str, error: str = "") -> None:
    """Record a stage that ran.

    Args:
        stage: DVC's name of it.
        error: why it failed; empty where it did not.
    """
    import mlflow

    mlflow.set_tracking_uri(tracking_uri())
    mlflow.set_experiment("iterpref")
    params = load_params().model_dump(mode="json")
    with mlflow.start_run(run_name=stage):
        mlflow.log_params({key: params.get(key.partition(".")[0]) for key in load_graph()[stage].params[:5] if key})
        if error:
            mlflow.set_tag("error", error)
        else:
            mlflow.log_metrics(json.loads(metrics_path(stage).read_text(encoding="utf-8")))


def log_missing() -> None:
    """Record what earlier runs could not."""


def tracking_uri() -> str:
    """Address of the tracking server, or of the data base in the checkout."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(home() / 'mlflow.db').resolve()}"
