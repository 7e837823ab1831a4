"""Stage `training`, once per objective."""

from iterpref_core.config import Params
from tasks.launch import launch_training
from tasks.mlflow.live_curve import LiveCurve
from tasks.mlflow.recorded import recorded
from tasks.paths import FOCAL, METRICS, PAIRS, STUDENT, WORK, model_path
from tasks.stage_name import StageName


def run(params: Params, objective: str) -> None:
    """Train the student with one objective; checkpoints let a killed run resume."""
    stage = StageName("training", objective)
    student = params.training.start or STUDENT
    out = model_path(objective)
    curve = METRICS / "training" / f"{objective}.curve.csv"
    scratch = WORK / "training"
    with recorded(stage, params) as metrics:
        if params.training.accelerate:
            options = {
                "objective": objective,
                "pairs": PAIRS,
                "spans": FOCAL,
                "model": student,
                "out": out,
                "curve": curve,
                "scratch": scratch,
            }
            result = launch_training(options, params, curve, LiveCurve(stage, params))
        else:
            from iterpref_core.training.training import train_objective

            result = train_objective(
                files={"pairs": PAIRS, "spans": FOCAL},
                model=student,
                objective=objective,
                params=params.training,
                out=out,
                curve=curve,
                scratch=scratch,
                on_log=LiveCurve(stage, params),
                prompt=params.model.student_format,
            )
        metrics.update(result)
