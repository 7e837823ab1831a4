"""Stage `training`, once per objective."""

import json
import os

from iterpref_core.records.config import Params
from iterpref_core.records.stage_results import TrainingResult
from iterpref_core.storage.processes import is_launched, start_processes
from tasks.paths import COMMIT_VARIABLE, FOCAL, METRICS, PAIRS, STUDENT, WORK, metrics_path, model_path


def run(params: Params, objective: str) -> TrainingResult:
    """Train the student with one objective; checkpoints let a killed run resume.

    With `training.accelerate` the stage starts itself again in several processes, of which the main one writes the
    metrics.
    """
    if params.training.accelerate and not is_launched():
        start_processes(params.training.accelerate)
        written = json.loads(metrics_path(f"training@{objective}").read_text("utf-8"))
        return TrainingResult.of_metrics(written)
    from iterpref_core.training.trainer.train_objective import train_objective

    return train_objective(
        files={"pairs": PAIRS, "spans": FOCAL},
        model=params.training.start or STUDENT,
        objective=objective,
        params=params.training,
        out=model_path(objective),
        curve=METRICS / "training" / f"{objective}.curve.csv",
        scratch=WORK / "training",
        prompt=params.model.student_format,
        commit=os.environ.get(COMMIT_VARIABLE) or None,
    )
