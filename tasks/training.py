"""Stage `training`, once per objective."""

from iterpref_core.config import Params
from tasks.common.paths import FOCAL, METRICS, PAIRS, STUDENT, WORK, model_path
from tasks.common.stage_body import Metrics, run_body
from tasks.common.stage_task import stage_task
from tasks.recording import stage_journal as journal


@stage_task
def train_objective(params: Params, objective: str) -> Metrics:
    """Train the student with one objective; checkpoints let a killed run resume."""
    from iterpref_core.training.training import train_objective as entry

    return run_body(
        f"training@{objective}",
        entry,
        PAIRS,
        FOCAL,
        STUDENT,
        objective,
        params.training,
        model_path(objective),
        METRICS / "training" / f"{objective}.curve.csv",
        WORK / "training",
        on_log=journal.record_metrics,
        prompt=params.model.prompt,
    )
