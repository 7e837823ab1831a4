"""Optimizers and schedules that may be chosen: each ends with the same weights, whether it was stopped or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.records.errors import ConfigError
from tests.training.training.conftest import Train, read_weights

_WHOLE_TRAININGS: list[dict[str, Any]] = [
    {"optim": "adamw_8bit", "lr_scheduler_type": "warmup_stable_decay"},
    {"optim": "adamw_torch", "lr_scheduler_type": "reduce_lr_on_plateau"},
]
"""Those of which a whole training is stopped and resumed; of every other, the state that a checkpoint has of it."""
_OPTIMIZERS = (
    "adamw_torch", "adamw_torch_fused", "adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit", "paged_adamw_32bit",
    "ademamix", "ademamix_8bit", "paged_ademamix_8bit", "paged_ademamix_32bit", "lion_8bit", "lion_32bit",
    "paged_lion_8bit", "paged_lion_32bit", "adafactor", "adagrad", "rmsprop", "rmsprop_bnb", "rmsprop_bnb_8bit",
    "rmsprop_bnb_32bit", "sgd",
)  # fmt: skip
_OPTIONS: dict[str, dict[str, Any]] = {
    "linear": {},
    "cosine": {"num_cycles": 1.5},
    "cosine_with_restarts": {"num_cycles": 2},
    "cosine_with_min_lr": {"min_lr_rate": 0.1},
    "cosine_warmup_with_min_lr": {"min_lr_rate": 0.1, "warmup_lr_rate": 0.01},
    "polynomial": {"power": 2.0},
    "constant": {},
    "constant_with_warmup": {},
    "inverse_sqrt": {"timescale": 3},
    "reduce_lr_on_plateau": {"patience": 0, "factor": 0.5, "threshold": 10.0},
    "warmup_stable_decay": {"num_decay_steps": 5},
}


class _StoppedError(Exception):
    pass


def _train_twice(tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """Train in one go, then once more with an end after a checkpoint and a second start; compare the weights."""
    import torch

    from iterpref_core.training.trainer.base_trainer import BaseTrainer

    save = BaseTrainer._save_checkpoint

    def stop_after(self: BaseTrainer, model: Any, trial: Any) -> None:
        save(self, model, trial)
        if self.state.global_step >= 3:
            raise _StoppedError

    whole = train("whole", "target-rpo", **settings)
    with monkeypatch.context() as patched:
        patched.setattr(BaseTrainer, "_save_checkpoint", stop_after)
        with pytest.raises(_StoppedError):
            train("stopped", "target-rpo", **settings)
    assert train("stopped", "target-rpo", **settings) == whole
    expected = read_weights(tmp_path / "whole")
    for name, weight in read_weights(tmp_path / "stopped").items():
        assert torch.equal(weight, expected[name]), name


@pytest.mark.parametrize("settings", _WHOLE_TRAININGS, ids=str)
def test_a_stopped_training_goes_on_exactly(
    settings: dict[str, Any], tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = settings | {"lr_scheduler_kwargs": _OPTIONS[settings["lr_scheduler_type"]]}
    _train_twice(tmp_path, train, monkeypatch, epochs=3, validation_share=0.3, arguments=arguments)


def _trainer(optimizer: str, schedule: str, folder: Path) -> Any:
    """Return a trainer whose optimizer and schedule are made for a model of one layer and a training of six steps."""
    import torch
    from transformers import Trainer, TrainingArguments

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


def _take_steps(trainer: Any, steps: range) -> None:
    """Take some of the six steps, each with gradients of its own."""
    import torch

    for step in steps:
        random = torch.Generator().manual_seed(step)
        for weight in trainer.model.parameters():
            weight.grad = torch.randn(weight.shape, generator=random)
        trainer.optimizer.step()
        measured = [1.0 / (1 + step)] if trainer.args.lr_scheduler_type.value == "reduce_lr_on_plateau" else []
        trainer.lr_scheduler.step(*measured)


_EVERY = [(name, "cosine") for name in _OPTIMIZERS] + [("adamw_torch", name) for name in _OPTIONS]


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU:UserWarning")
@pytest.mark.parametrize(("optimizer", "schedule"), _EVERY)
def test_what_a_checkpoint_keeps_of_optimizer_and_schedule_is_all_that_they_need(
    optimizer: str, schedule: str, tmp_path: Path
) -> None:
    """Six steps, and three steps, a checkpoint and three more of other objects, give the same weights."""
    import torch

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


def test_every_optimizer_and_schedule_that_may_be_chosen_is_tried() -> None:
    from iterpref_core.training.model.passed_arguments import OPTIMIZERS, SCHEDULES

    assert sorted(OPTIMIZERS) == sorted(_OPTIMIZERS)
    assert sorted(SCHEDULES) == sorted(_OPTIONS)


def test_the_rate_falls_where_the_validation_loss_stays(tmp_path: Path, train: Train) -> None:
    from tests.training.outputs import read_curve

    options = {"patience": 0, "factor": 0.5, "threshold": 10.0}
    arguments = {"lr_scheduler_type": "reduce_lr_on_plateau", "lr_scheduler_kwargs": options}
    train("run", "target-rpo", epochs=4, validation_share=0.3, arguments=arguments)
    rates = [float(row["learning_rate"]) for row in read_curve(tmp_path / "run")]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[-1] < 0.1 * rates[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optim": "galore_adamw"}, r".optim: .* galore_adamw .*there are adamw_torch, "),
        ({"optim": "lomo"}, r".optim: "),
        ({"adam_epsilon": -1.0}, r".adam_epsilon: is -1.0; give a finite"),
        ({"adam_epsilon": "1e-8"}, r".adam_epsilon: is '1e-8': Input should be a valid number"),
        ({"weight_decay": -1.0}, r".weight_decay: is -1.0; give a finite"),
        ({"weight_decay": float("nan")}, r".weight_decay: is nan; give"),
        ({"logging_steps": float("nan")}, r".logging_steps: is nan; give a finite"),
        ({"save_steps": float("inf")}, r".save_steps: is inf; give a finite"),
        ({"log_level": "loud"}, r".log_level: is not passed on"),
        ({"lr_scheduler_kwargs": {"num_cycles": "two"}}, r": optim: .*, lr_scheduler_type: cosine: "),
        (
            {"lr_scheduler_kwargs": {"num_cycles": float("nan")}},
            r": .*: over the training's \d+ steps the learning rate",
        ),
        (
            {"lr_scheduler_type": "inverse_sqrt", "lr_scheduler_kwargs": {"timescale": 0}},
            r": .* lr_scheduler_type: inverse_sqrt: .*division by zero",
        ),
        ({"lr_scheduler_type": "greedy"}, r".lr_scheduler_type: .* greedy "),
        ({"lr_scheduler_type": "warmup_stable_decay"}, r": .*num_decay_steps"),
        ({"lr_scheduler_kwargs": {"num_cycle": 1}}, r": .*unexpected keyword argument 'num_cycle'"),
        (
            {"lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": {"lr_end": 1.0}},
            r": .* polynomial: lr_end .*must be smaller",
        ),
        (
            {"lr_scheduler_type": "reduce_lr_on_plateau"},
            r".lr_scheduler_type: .* nothing is held out; set training.validation_share",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_before_the_model_is_loaded(
    arguments: dict[str, Any], message: str, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: Any, **__: Any) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("iterpref_core.training.trainer.train_objective.load_policy", loaded)
    with pytest.raises(ConfigError, match=f"^params.yaml: training.arguments{message}"):
        train("run", "target-rpo", arguments=arguments)


@pytest.mark.filterwarnings("ignore:Both num_training_steps and num_stable_steps:UserWarning")
@pytest.mark.parametrize(
    "arguments",
    [
        {
            "lr_scheduler_type": "warmup_stable_decay",
            "lr_scheduler_kwargs": {"num_decay_steps": 3, "num_stable_steps": 3},
        },
        {
            "lr_scheduler_type": "warmup_stable_decay",
            "lr_scheduler_kwargs": {"num_decay_steps": 3, "min_lr_ratio": 2.0},
        },
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 1.0}},
    ],
)
def test_a_schedule_that_does_not_fit_the_training_is_refused_before_the_model_is_loaded(
    arguments: dict[str, Any], tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 pairs in batches of 4, six times: 18 steps."""

    def loaded(*_: Any, **__: Any) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("iterpref_core.training.trainer.train_objective.load_policy", loaded)
    with pytest.raises(ConfigError, match="over the training's 18 steps the learning rate goes from"):
        train("run", "target-rpo", epochs=6, arguments=arguments)


@given(
    schedule=st.sampled_from([name for name in _OPTIONS if name != "reduce_lr_on_plateau"]),
    steps=st.integers(1, 300),
    warmup=st.floats(0, 1),
)
def test_every_schedule_with_usual_options_fits_a_training_of_any_length(
    schedule: str, steps: int, warmup: float
) -> None:
    from transformers import TrainingArguments

    from iterpref_core.training.trainer.optimizers import check_schedule

    arguments = TrainingArguments(
        "unused", learning_rate=1e-5, lr_scheduler_type=schedule, lr_scheduler_kwargs=dict(_OPTIONS[schedule]),
        warmup_steps=int(warmup * steps), use_cpu=True, report_to="none",
    )  # fmt: skip
    check_schedule(arguments, steps)
