"""Trials in MLflow: one run for what was asked (a grid, a study), one nested in it for each training."""

import sys
from collections.abc import Sequence
from typing import Any

from iterpref_core.config import Params


def record_trials(title: str, trials: Sequence[tuple[str, dict[str, Any], dict[str, float]]], params: Params) -> None:
    """Record finished trials. A tracking server that is away costs a warning, not the trials, whose scores are kept.

    Args:
        title: what was asked for.
        trials: label, the values by which it differs from the experiment, and its metrics.
        params: of the experiment.
    """
    from mlflow.exceptions import MlflowException

    from tasks.recording.tracking import Tracker

    try:
        tracker = Tracker()
        parent = tracker.start_run(
            title, {}, note=f"{title}: {len(trials)} trainings beside the experiment, nested in it."
        )
        tracker.log_params(parent, params.model_dump(mode="json"))
        for label, values, metrics in trials:
            run = tracker.start_run(label, {"iterpref.trial": label}, parent, note=f"Training `{label}` of {title}.")
            tracker.log_params(run, values)
            tracker.log_metrics(run, metrics)
            tracker.end_run(run, "FINISHED")
        tracker.end_run(parent, "FINISHED")
        tracker.close()
    except (MlflowException, OSError) as error:
        print(f"warning: {title} is not recorded in MLflow: {error}", file=sys.stderr)
