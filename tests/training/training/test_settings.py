"""What `training.arguments` says reaches the training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iterpref_core.records.config import ObjectiveParams, TrainingParams
from iterpref_core.records.errors import ConfigError
from tests.training.outputs import read_curve
from tests.training.training.conftest import Inputs, Train, Trained, read_weights

if TYPE_CHECKING:
    import torch

RATE = 1e-3


@pytest.fixture
def one_step() -> dict[str, object]:
    """One step at a constant rate, so that the change of the weights is that of the optimizer."""
    return {"lr_scheduler_type": "constant", "max_steps": 1}


def _change(folder: Path, before: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    after = read_weights(folder)
    return {name: after[name] - weight for name, weight in before.items()}


def _norm(change: dict[str, torch.Tensor]) -> float:
    import torch

    return torch.cat([values.flatten() for values in change.values()]).norm().item()


def test_max_steps_ends_the_training(train: Train) -> None:
    assert train("run", "sft", arguments={"max_steps": 3}, epochs=5)["steps"] == 3


def test_optim_makes_the_step(
    tmp_path: Path, train: Train, trained: Trained, inputs: Inputs, one_step: dict[str, object]
) -> None:
    from safetensors.torch import load_file

    before = load_file(inputs[2] / "model.safetensors")
    _, own = trained("sft", arguments=one_step)
    train("sgd", "sft", arguments={**one_step, "optim": "sgd", "max_grad_norm": 0.01})
    # SGD moves the weights by rate x gradient, which is clipped to 0.01. Adam moves nearly each of them by the rate.
    assert _norm(_change(tmp_path / "sgd", before)) == pytest.approx(RATE * 0.01, rel=0.01)
    assert _norm(_change(own, before)) > 10 * RATE


def test_weight_decay_shrinks_the_weights(
    tmp_path: Path, train: Train, trained: Trained, inputs: Inputs, one_step: dict[str, object]
) -> None:
    import torch
    from safetensors.torch import load_file

    before = load_file(inputs[2] / "model.safetensors")
    _, own = trained("sft", arguments=one_step)
    train("decayed", "sft", arguments={**one_step, "weight_decay": 100.0})
    plain = _change(own, before)
    decayed = _change(tmp_path / "decayed", before)
    name = next(name for name in before if "q_proj" in name)
    torch.testing.assert_close(decayed[name] - plain[name], -RATE * 100.0 * before[name], rtol=1e-3, atol=1e-6)


def test_lr_scheduler_type_decides_the_rates(tmp_path: Path, train: Train, params: TrainingParams) -> None:
    objectives = {**params.objectives, "sft": ObjectiveParams(learning_rate=RATE, alpha=1.0)}
    settings = {"epochs": 1, "warmup_ratio": 0.0, "objectives": objectives}
    train("own", "sft", **settings)
    train("constant", "sft", **settings, arguments={"lr_scheduler_type": "constant"})
    own = [float(row["learning_rate"]) for row in read_curve(tmp_path / "own")]
    constant = [float(row["learning_rate"]) for row in read_curve(tmp_path / "constant")]
    assert own == sorted(own, reverse=True)
    assert own[-1] < own[0]
    assert constant == [RATE] * len(own)


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("mlfow", "training.arguments.report_to: mlfow cannot be used"),
        ("wandb", "training.arguments.report_to: wandb cannot be used (WandbCallback requires wandb to be installed"),
    ],
)
def test_a_service_that_metrics_cannot_go_to_is_refused(
    params: TrainingParams, monkeypatch: pytest.MonkeyPatch, service: str, message: str
) -> None:
    from transformers.integrations import integration_utils

    from iterpref_core.training.trainer.settings import check_settings

    monkeypatch.setattr(integration_utils, "is_wandb_available", lambda: False)
    with pytest.raises(ConfigError, match=re.escape(message)):
        check_settings(params.model_copy(update={"arguments": {"report_to": service}}))
