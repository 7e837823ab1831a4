"""Losses that TRL has in trainers of their own; `test_focal_trainer.py` has those of its DPOTrainer."""

from types import SimpleNamespace

import pytest
import torch
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer

from iterpref_core.training.objectives.losses import cautious_loss, orpo_loss, simpo_loss


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.4])
def test_simpo_is_that_of_trl_s_cpo_trainer(gamma):
    chosen = -torch.rand(5)
    rejected = -torch.rand(5)
    asked = SimpleNamespace(
        loss_type="simpo", simpo_gamma=gamma, beta=2.5, label_smoothing=0.0, alpha=0.0,
        accelerator=SimpleNamespace(device="cpu"),
    )  # fmt: skip
    losses, _, _ = CPOTrainer.cpo_loss(asked, chosen, rejected)
    torch.testing.assert_close(simpo_loss(chosen, rejected, 2.5, gamma), losses)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.4])
def test_labels_are_smoothed_as_in_trl_s_cpo_trainer(label_smoothing):
    chosen = torch.randn(50)
    rejected = torch.randn(50)
    asked = SimpleNamespace(
        loss_type="sigmoid", beta=0.7, label_smoothing=label_smoothing, alpha=0.0,
        accelerator=SimpleNamespace(device="cpu"),
    )  # fmt: skip
    losses, _, _ = CPOTrainer.cpo_loss(asked, chosen, rejected)
    torch.testing.assert_close(cautious_loss(chosen, rejected, 0.7, label_smoothing), losses)


def test_orpo_is_that_of_trl_s_orpo_trainer():
    chosen = -3 * torch.rand(50)
    rejected = -3 * torch.rand(50)
    asked = SimpleNamespace(beta=0.3, accelerator=SimpleNamespace(device="cpu"))
    negative, *_ = ORPOTrainer.odds_ratio_loss(asked, chosen, rejected)
    torch.testing.assert_close(orpo_loss(chosen, rejected, 0.3), -negative)
