"""Stage `training`, once per objective."""

from iterpref_core.config import Params
from tasks.mlflow.live_curve import LiveCurve
from tasks.mlflow.recorded import recorded
from tasks.paths import FOCAL, METRICS, PAIRS, STUDENT, WORK, model_path
from tasks.stage_name import StageName


def run(params: Params, objective: str) -> None:
    """Train the student with one objective; checkpoints let a killed run resume."""
    from iterpref_core.training.training import train_objective

    stage = StageName("training", objective)
    with recorded(stage, params) as metrics:
        measured = train_objective(
            pairs=PAIRS,
            spans=FOCAL,
            model=params.training.start or STUDENT,
            objective=objective,
            params=params.training,
            out=model_path(objective),
            curve=METRICS / "training" / f"{objective}.curve.csv",
            scratch=WORK / "training",
            on_log=LiveCurve(stage),
            prompt=params.model.student_format,
        )
        metrics.update(measured)
