"""Stage `training`, once for each objective."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from iterpref_core.records import TrainingResult
from iterpref_core.storage.own_pairs import has_pairs
from tasks.paths import FOCAL, METRICS, MODELS, OWN_PAIRS, STUDENT, WORK

from .stage import ITEM, Stage

if TYPE_CHECKING:
    from iterpref_core.records import Params

TRAINED = ("sft", "dpo", "rpo", "target-dpo", "target-rpo")
"""The objectives of the experiment; `iterpref sweep` trains others as well."""


def check_item(params: "Params", objective: str) -> None:
    """Refuse settings that this stage cannot take.

    Raises:
        InputError: a setting cannot be taken, or a file is not there.
    """
    from iterpref_core.training.data.held_out import check_choice
    from iterpref_core.training.data.steps import accumulation_steps
    from iterpref_core.training.launch import check_configuration
    from iterpref_core.training.objectives.objective_settings import settings_of

    training = params.training
    settings_of(objective, training)
    # The pairs of one's own may be of the split validation, which the training sees.
    check_choice(training, validated=training.validation_share > 0 or has_pairs(OWN_PAIRS))
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


def prepare(_objective: str) -> None:
    """Name the code's commit, for the model's record, and MLflow's server, for `training.arguments.report_to`."""
    from iterpref_core.training.launch import COMMIT_VARIABLE
    from tasks.git.source import observe_source
    from tasks.mlflow.server import name_server

    os.environ[COMMIT_VARIABLE] = observe_source().described_commit or ""
    name_server()


def join(entry: dict[str, Any], objective: str) -> None:
    """Train a further objective."""
    entry["foreach"].append(objective)


CURVE = METRICS / "training" / f"{ITEM}.curve.csv"


def _plot(title: str, column: str, objectives: Sequence[str]) -> dict[str, Any]:
    """Return a plot of a column of the curves."""
    return {title: {"x": "step", "y": {str(CURVE).replace(ITEM, name): column for name in objectives}}}


STAGE = Stage(
    name="training",
    work="iterpref_core.training.trainer.train_objective:train_student",
    # All but what it runs on, and the other objectives' settings.
    params=[
        "training",
        "-training.accelerate",
        "-training.objectives",
        f"training.objectives.{ITEM}",
        "model.chat_template_kwargs",
        "model.prompt",
    ],
    reads={"pairs": FOCAL, "model": STUDENT},
    writes={"out": MODELS / "trained" / ITEM},
    untracked={"scratch": WORK / "training"},
    external=[
        "accelerate",
        "files.accelerate",
        "files.start",
        "peft",
        "tokenizers",
        "torch",
        "transformers",
        "trl",
    ],
    items=TRAINED,
    plotted={"curve": CURVE},
    plots=[
        _plot("training loss", "loss", TRAINED),
        _plot("reward margin", "rewards/margins", TRAINED[1:]),  # sft compares no programs
    ],
    card=True,
    every_card="training.accelerate",
    result=TrainingResult,
    check_item=check_item,
    prepare=prepare,
    join=join,
)
