"""A training ends with the same weights, whether it was stopped or not, also with another optimizer and schedule."""

import pytest
import torch

from iterpref_core.training.trainer.focal_trainer import FocalTrainer
from tests.training.outputs import read_curve
from tests.training.training.conftest import read_weights

_ARGUMENTS = {
    "optim": "adamw_8bit", "lr_scheduler_type": "reduce_lr_on_plateau",
    "lr_scheduler_kwargs": {"patience": 0, "factor": 0.5, "threshold": 10.0},
}  # fmt: skip


class _StoppedError(Exception):
    pass


def test_a_stopped_training_goes_on_exactly(tmp_path, train, trained, monkeypatch):
    """In one go, and with an end after a checkpoint and a second start."""
    save = FocalTrainer._save_checkpoint

    def stop_after(self, model, trial):
        save(self, model, trial)
        if self.state.global_step >= 3:
            raise _StoppedError

    common = {"epochs": 3, "validation_share": 0.3, "arguments": _ARGUMENTS}
    whole, folder = trained("target-rpo", **common)
    with monkeypatch.context() as patched:
        patched.setattr(FocalTrainer, "_save_checkpoint", stop_after)
        with pytest.raises(_StoppedError):
            train("stopped", "target-rpo", **common)
    assert train("stopped", "target-rpo", **common) == whole
    expected = read_weights(folder)
    for name, weight in read_weights(tmp_path / "stopped").items():
        assert torch.equal(weight, expected[name]), name
    rates = [float(row["learning_rate"]) for row in read_curve(folder)]
    assert rates[-1] < 0.1 * max(rates), "the schedule was followed"
