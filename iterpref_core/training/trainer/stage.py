"""Run stage `training`, or the verb `train`: train one objective."""

import os
from typing import Any

from iterpref_core.records import Params, TrainingResult

from ..launch import COMMIT_VARIABLE
from .train_objective import train_objective


def run(params: Params, objective: str, *, model: Any, **files: Any) -> TrainingResult:
    """Train with one objective; checkpoints let a killed run resume.

    Args:
        params: all parameters; `training.start` replaces the model.
        objective: a row of `OBJECTIVES`.
        model: folder or hub id of the model to start from.
        files: as in `train_objective`.
    """
    return train_objective(
        model=params.training.start or model,
        objective=objective,
        params=params.training,
        prompt=params.model.student_format,
        commit=os.environ.get(COMMIT_VARIABLE) or None,
        **files,
    )
