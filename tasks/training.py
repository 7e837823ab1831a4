"""Stage `training`, once per objective."""

import json
import os

from iterpref_core.records import Params, TrainingResult
from iterpref_core.training.launch import check_configuration, is_launched, start_processes

from .paths import COMMIT_VARIABLE, FOCAL, METRICS, STUDENT, WORK, metrics_path, model_path


def check(params: Params, objective: str) -> None:
    """Refuse settings that this stage cannot take, before any stage has run.

    Raises:
        InputError: a setting cannot be taken, or a file is not there.
    """
    from iterpref_core.training.data.held_out import check_choice
    from iterpref_core.training.data.steps import accumulation_steps
    from iterpref_core.training.objectives.objective_settings import settings_of

    training = params.training
    settings_of(objective, training)
    check_choice(training)
    accumulation_steps(training, 1)
    if training.accelerate:
        check_configuration(training.accelerate)
    # To import PyTorch takes seconds, so only what is set is checked by it.
    if training.arguments or training.lora is not None or training.load not in ("auto", "bf16"):
        from iterpref_core.training.model.policy import check_load
        from iterpref_core.training.trainer.settings import check_settings

        check_load(training.start, training)
        check_settings(training)
    if training.start:
        from iterpref_core.models.pretrained.weights import check_checkpoint

        check_checkpoint(training.start, params.model.student_format, loaded=False)


def run(params: Params, objective: str) -> TrainingResult:
    """Train the student with one objective; checkpoints let a killed run resume.

    With `training.accelerate` the stage starts itself again in several processes; the main process writes the metrics.
    """
    if params.training.accelerate and not is_launched():
        start_processes(params.training.accelerate)
        written = json.loads(metrics_path(f"training@{objective}").read_text("utf-8"))
        return TrainingResult.of_metrics(written)
    from iterpref_core.training.trainer.train_objective import train_objective

    return train_objective(
        pairs=FOCAL,
        model=params.training.start or STUDENT,
        objective=objective,
        params=params.training,
        out=model_path(objective),
        curve=METRICS / "training" / f"{objective}.curve.csv",
        scratch=WORK / "training",
        prompt=params.model.student_format,
        commit=os.environ.get(COMMIT_VARIABLE) or None,
    )
