"""Stage `training`, once per objective."""

from iterpref_core.config import Params
from tasks.mlflow_runs import LiveCurve
from tasks.paths import FOCAL, METRICS, PAIRS, STUDENT, WORK, model_path
from tasks.stage_body import Metrics, run_body


def run(params: Params, objective: str) -> Metrics:
    """Train the student with one objective; checkpoints let a killed run resume."""
    from iterpref_core.training.training import train_objective as entry

    return run_body(
        f"training@{objective}",
        entry,
        PAIRS,
        FOCAL,
        params.training.start or STUDENT,
        objective,
        params.training,
        model_path(objective),
        METRICS / "training" / f"{objective}.curve.csv",
        WORK / "training",
        on_log=LiveCurve(f"training@{objective}"),
        prompt=params.model.student_format,
    )
