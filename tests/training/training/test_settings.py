"""`training.arguments` reaches the training."""

import pytest
import torch
from safetensors.torch import load_file

from tests.training.training.conftest import read_weights

RATE = 1e-3


def _change(folder, before):
    after = read_weights(folder)
    return {name: after[name] - weight for name, weight in before.items()}


def test_optimizer_clipping_and_weight_decay_make_the_step_and_max_steps_ends_the_training(tmp_path, train, inputs):
    """One step at a constant rate: the optimizer alone changes the weights."""
    before = load_file(inputs[2] / "model.safetensors")
    step = {"lr_scheduler_type": "constant", "max_steps": 1, "optim": "sgd", "max_grad_norm": 0.01}
    assert train("plain", "sft", arguments=step)["steps"] == 1
    train("decayed", "sft", arguments={**step, "weight_decay": 100.0})
    plain, decayed = (_change(tmp_path / name, before) for name in ("plain", "decayed"))
    # SGD moves the weights by rate x gradient, which is clipped to 0.01.
    norm = torch.cat([values.flatten() for values in plain.values()]).norm().item()
    assert norm == pytest.approx(RATE * 0.01, rel=0.01)
    name = next(name for name in before if "q_proj" in name)
    torch.testing.assert_close(decayed[name] - plain[name], -RATE * 100.0 * before[name], rtol=1e-3, atol=1e-6)
