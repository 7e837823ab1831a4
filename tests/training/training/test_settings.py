"""What `training.arguments` says reaches the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.training.conftest import Inputs, Train, Trained, read_weights

RATE = 1e-3


@pytest.fixture
def one_step() -> dict[str, object]:
    """One step at a constant rate, so that the change of the weights is that of the optimizer."""
    return {"lr_scheduler_type": "constant", "max_steps": 1}


def _change(folder: Path, before: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    after = read_weights(folder)
    return {name: after[name] - weight for name, weight in before.items()}


def _norm(change: dict[str, torch.Tensor]) -> float:
    return torch.cat([values.flatten() for values in change.values()]).norm().item()


def test_optim_makes_the_step_and_max_steps_ends_the_training(
    tmp_path: Path, train: Train, trained: Trained, inputs: Inputs, one_step: dict[str, object]
) -> None:
    before = load_file(inputs[2] / "model.safetensors")
    metrics, own = trained("sft", arguments=one_step)
    assert metrics["steps"] == 1
    train("sgd", "sft", arguments={**one_step, "optim": "sgd", "max_grad_norm": 0.01})
    # SGD moves the weights by rate x gradient, which is clipped to 0.01. Adam moves nearly each of them by the rate.
    assert _norm(_change(tmp_path / "sgd", before)) == pytest.approx(RATE * 0.01, rel=0.01)
    assert _norm(_change(own, before)) > 10 * RATE


def test_weight_decay_shrinks_the_weights(
    tmp_path: Path, train: Train, trained: Trained, inputs: Inputs, one_step: dict[str, object]
) -> None:
    before = load_file(inputs[2] / "model.safetensors")
    _, own = trained("sft", arguments=one_step)
    train("decayed", "sft", arguments={**one_step, "weight_decay": 100.0})
    plain = _change(own, before)
    decayed = _change(tmp_path / "decayed", before)
    name = next(name for name in before if "q_proj" in name)
    torch.testing.assert_close(decayed[name] - plain[name], -RATE * 100.0 * before[name], rtol=1e-3, atol=1e-6)
