"""A trial's training: an objective on pairs, or GRPO, each after trainings that come before it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from iterpref_core.config import Params, with_values
from iterpref_core.objectives.objectives import ObjectiveName, find_objective
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.make_once import make_once
from iterpref_core.training.checkpoint import TRAINED_BY
from tasks.common.paths import WORK
from tasks.grids.lineage import FOLDER, Artifacts, digest

GRPO = "grpo"
"""Stands for training on the model's own answers, where an objective trains on pairs."""
TrainingName = ObjectiveName | Literal["grpo"]
Training = tuple[TrainingName, dict[str, Any]]
"""What to train with, and the parameters that differ from the experiment's, by dotted key."""


def training_settings(params: Params, objective: TrainingName | None) -> dict[str, Any] | None:
    """What decides a training beside its data: settings, the objective's row and the code.

    `layout` is a way of computing the same.
    """
    if objective is None:
        return None
    shared = params.training.model_dump(exclude={"objectives", "layout"}) | {"prompt": params.model.prompt}
    if objective == GRPO:
        read = {name: shared[name] for name in ("seed", "warmup_ratio", "max_grad_norm", "bf16", "prompt")}
        return read | params.study.grpo.model_dump() | {"code": code_digest(*TRAINED_BY)}
    row = find_objective(objective, params.training.objectives)
    return shared | {"row": row.values(), "code": code_digest(*TRAINED_BY)}


def train_before(after: Sequence[Training], params: Params, inputs: Artifacts) -> Path:
    """The model that trainings, one after another, make of the student; it is kept: several trials start from it."""
    model = inputs.student
    for objective, values in after:
        changed, start = with_values(params, values), inputs._replace(student=model)
        key = digest(start.student, start.pairs, start.spans, objective, training_settings(changed, objective))
        folder = FOLDER / "starts" / key
        train = partial(train_once, objective, changed, start, folder / "work")
        model = make_once(folder / "model", train)
    return model


def train_once(name: TrainingName, params: Params, inputs: Artifacts, folder: Path, out: Path) -> dict[str, float]:
    """Train, and write the model.

    Args:
        name: what to train with.
        params: of the trial.
        inputs: what it trains on; their student is where it starts.
        folder: for what comes beside the model.
        out: the model.

    Returns:
        The training's metrics.
    """
    from iterpref_core.training.grpo import train_grpo
    from iterpref_core.training.training import train_objective

    if name == GRPO:
        asked = params.study.grpo, params.training, params.execution
        return train_grpo(inputs.problems, inputs.student, *asked, out, folder / "work", params.model.prompt)
    return train_objective(
        inputs.pairs, inputs.spans, inputs.student, name, params.training, out, folder / "curve.csv",
        WORK / "training", prompt=params.model.prompt,
    )  # fmt: skip
