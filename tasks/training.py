"""Stage `training`, once per objective."""

import json

from iterpref_core.records.config import Params
from iterpref_core.storage.processes import is_launched, is_main_process, start_processes
from tasks.mlflow.logged import logged, write_metrics
from tasks.paths import FOCAL, METRICS, PAIRS, STUDENT, WORK, metrics_path, model_path
from tasks.stage_name import StageName


def run(params: Params, objective: str) -> None:
    """Train the student with one objective; checkpoints let a killed run resume.

    With `training.accelerate` the stage starts itself again in several processes. The main one of them writes the
    metrics and the curve; the stage that waits for them logs it.
    """
    stage = StageName("training", objective)
    if is_launched():
        measured = _train(params, stage)
        if is_main_process():
            write_metrics(stage, measured)
        return
    with logged(stage, params) as metrics:
        if params.training.accelerate:
            start_processes(params.training.accelerate)
            measured = json.loads(metrics_path(stage).read_text(encoding="utf-8"))
        else:
            measured = _train(params, stage)
        metrics.update(measured)


def _train(params: Params, stage: StageName) -> dict[str, float]:
    from iterpref_core.training.training.training import train_objective

    objective = stage.item
    return train_objective(
        files={"pairs": PAIRS, "spans": FOCAL},
        model=params.training.start or STUDENT,
        objective=objective,
        params=params.training,
        out=model_path(objective),
        curve=METRICS / "training" / f"{objective}.curve.csv",
        scratch=WORK / "training",
        prompt=params.model.student_format,
    )
