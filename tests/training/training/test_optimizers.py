"""Optimizers and schedules that may be chosen: each ends with the same weights, whether it was stopped or not."""

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import Trainer, TrainingArguments

from iterpref_core.training.model.passed_arguments import OPTIMIZERS, SCHEDULES
from iterpref_core.training.trainer.base_trainer import BaseTrainer
from iterpref_core.training.trainer.optimizers import check_schedule
from tests.training.outputs import read_curve
from tests.training.training.conftest import SETTINGS, read_weights

_WHOLE_TRAINING = {"optim": "adamw_8bit", "lr_scheduler_type": "reduce_lr_on_plateau"}
"""Those of which a whole training is stopped and resumed; of every other, the state that a checkpoint has of it."""
_OPTIONS = {name: {} for name in SCHEDULES} | SETTINGS["schedules"]


class _StoppedError(Exception):
    pass


def test_a_stopped_training_goes_on_exactly(tmp_path, train, trained, monkeypatch):
    """In one go, and with an end after a checkpoint and a second start."""
    save = BaseTrainer._save_checkpoint

    def stop_after(self, model, trial):
        save(self, model, trial)
        if self.state.global_step >= 3:
            raise _StoppedError

    arguments = _WHOLE_TRAINING | {"lr_scheduler_kwargs": _OPTIONS["reduce_lr_on_plateau"]}
    common = {"epochs": 3, "validation_share": 0.3, "arguments": arguments}
    whole, folder = trained("target-rpo", **common)
    with monkeypatch.context() as patched:
        patched.setattr(BaseTrainer, "_save_checkpoint", stop_after)
        with pytest.raises(_StoppedError):
            train("stopped", "target-rpo", **common)
    assert train("stopped", "target-rpo", **common) == whole
    expected = read_weights(folder)
    for name, weight in read_weights(tmp_path / "stopped").items():
        assert torch.equal(weight, expected[name]), name
    rates = [float(row["learning_rate"]) for row in read_curve(folder)]
    assert rates[-1] < 0.1 * max(rates), "the schedule was followed"


def _trainer(optimizer, schedule, folder):
    """Return a trainer whose optimizer and schedule are made for a model of one layer and a training of six steps."""
    torch.manual_seed(0)
    # bitsandbytes keeps the moments of smaller tensors in 32 bits.
    model = torch.nn.Linear(64, 128)
    arguments = TrainingArguments(
        str(folder), optim=optimizer, learning_rate=1e-3, lr_scheduler_type=schedule, warmup_steps=2,
        lr_scheduler_kwargs=_OPTIONS[schedule], use_cpu=True, report_to="none", save_strategy="steps",
        eval_strategy="steps",
    )  # fmt: skip
    trainer = Trainer(model, arguments, eval_dataset=[])
    trainer.create_optimizer_and_scheduler(6)
    return trainer


def _take_steps(trainer, steps):
    """Take some of the six steps, each with gradients of its own."""
    for step in steps:
        random = torch.Generator().manual_seed(step)
        for weight in trainer.model.parameters():
            weight.grad = torch.randn(weight.shape, generator=random)
        trainer.optimizer.step()
        measured = [1.0 / (1 + step)] if trainer.args.lr_scheduler_type.value == "reduce_lr_on_plateau" else []
        trainer.lr_scheduler.step(*measured)


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU:UserWarning")
@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [(name, "cosine") for name in OPTIMIZERS] + [("adamw_torch", name) for name in SCHEDULES],
)
def test_what_a_checkpoint_keeps_of_optimizer_and_schedule_is_all_that_they_need(optimizer, schedule, tmp_path):
    """Six steps, and three steps, a checkpoint and three more of other objects, give the same weights."""
    whole = _trainer(optimizer, schedule, tmp_path)
    _take_steps(whole, range(6))
    stopped = _trainer(optimizer, schedule, tmp_path)
    _take_steps(stopped, range(3))
    checkpoint = tmp_path / "checkpoint.pt"
    kept = (stopped.model, stopped.optimizer, stopped.lr_scheduler)
    torch.save([part.state_dict() for part in kept], checkpoint)
    resumed = _trainer(optimizer, schedule, tmp_path)
    parts = (resumed.model, resumed.optimizer, resumed.lr_scheduler)
    for part, state in zip(parts, torch.load(checkpoint), strict=True):
        part.load_state_dict(state)
    _take_steps(resumed, range(3, 6))
    start = _trainer(optimizer, schedule, tmp_path).model.state_dict()
    for name, weight in resumed.model.state_dict().items():
        assert torch.equal(weight, whole.model.state_dict()[name]), name
        assert not torch.equal(weight, start[name]), name


@given(
    schedule=st.sampled_from([name for name in _OPTIONS if name != "reduce_lr_on_plateau"]),
    steps=st.integers(1, 300),
    warmup=st.floats(0, 1),
)
@example("cosine", 17, 0.5)  # is at 0 in two steps, one in the warm-up and one in the middle of a cycle
def test_every_schedule_with_usual_options_fits_a_training_of_any_length(schedule, steps, warmup):
    arguments = TrainingArguments(
        "unused", learning_rate=1e-5, lr_scheduler_type=schedule, lr_scheduler_kwargs=dict(_OPTIONS[schedule]),
        warmup_steps=int(warmup * steps), use_cpu=True, report_to="none",
    )  # fmt: skip
    check_schedule(arguments, steps)
