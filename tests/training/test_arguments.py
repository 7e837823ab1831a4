"""Every argument of transformers is ours, passed through, or refused; and what is passed through does no harm."""

from __future__ import annotations

import doctest
import math
import re
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.records.config import ObjectiveParams, TrainingParams
from iterpref_core.records.errors import ConfigError
from iterpref_core.training.training.argument_lists import OURS, PASSED, check_names
from tests.settings import ROOT
from tests.training.conftest import Train, Trained, read_curve, read_weights


def _names(*lists: Any) -> list[str]:
    return [name for groups in lists for names in groups.values() for name in names]


def test_every_argument_of_transformers_is_passed_on_or_refused() -> None:
    from dataclasses import fields

    from transformers import TrainingArguments

    known = {field.name for field in fields(TrainingArguments)}
    assert {*_names(OURS, PASSED)} <= known
    for name in known - {*_names(PASSED)}:
        settings = [text for text, names in OURS.items() if name in names]
        reason = f"is decided by {settings[0]}; set it there" if settings else "is not passed on: it is not known"
        with pytest.raises(ConfigError, match=f"^params.yaml: training.arguments.{name}: {re.escape(reason)}"):
            check_names({name: None})


@pytest.mark.parametrize("setting", OURS)
def test_a_hint_names_what_exists(setting: str) -> None:
    """Such as `training.epochs`, `--out`, or an argument that is passed through."""
    from inspect import signature

    from iterpref_core.cli.training_verbs import train

    if setting.startswith("--"):
        assert setting.removeprefix("--") in signature(train).parameters
        return
    section, name, *argument = setting.split(".")
    assert section == "training"
    assert name in TrainingParams.model_fields
    if argument:
        assert argument[0] in _names(PASSED)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("warmup_ratio", ".warmup_ratio: is a setting of this project; set training.warmup_ratio"),
        ("max_length", ".max_length: is a setting of this project; set training.max_length"),
        ("evaluation_strategy", ": there is no evaluation_strategy; eval_strategy is decided by training.validation_"),
        ("weight_decai", ": no argument 'weight_decai'; did you mean 'weight_decay'?"),
    ],
)
def test_an_unknown_name_is_refused_with_one_that_can_be_set(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^params.yaml: training.arguments{re.escape(message)}"):
        check_names({name: 1})


def test_the_page_has_the_lists() -> None:
    """Where it fails, `python -m tests.argument_table` writes the table anew."""
    from tests.argument_table import PAGE, argument_table, with_table

    page = (ROOT / PAGE).read_text()
    assert argument_table() in page
    assert with_table(page) == page


def test_the_examples_in_the_docstrings_are_true() -> None:
    from iterpref_core.training.training import settings

    assert doctest.testmod(settings).failed == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_steps": 0}, ".max_steps: is 0; give at least one step"),
        ({"max_steps": 2.5}, ".max_steps: is 2.5: Input should be a valid integer"),
        ({"logging_steps": 1.5}, ".logging_steps: is 1.5; give a number of steps, or a share"),
        ({"save_steps": 0}, ".save_steps: is 0; give a number of steps, or a share"),
        ({"save_steps": 3, "logging_steps": 2}, ".save_steps: 3 steps are no multiple of logging_steps = 2"),
        ({"save_total_limit": 1}, ".save_total_limit: is 1, and an older checkpoint goes before the newest is whole"),
        ({"save_strategy": "best"}, ".save_strategy: is best; checkpoints are saved by steps"),
        ({"save_only_model": True}, ".save_only_model: is not passed on: it is not known to leave checkpoints"),
        ({"push_to_hub": True}, ".push_to_hub: is not passed on"),
        ({"weight_decay": "0.1"}, ".weight_decay: is '0.1': Input should be a valid number"),
    ],
)
def test_a_value_that_would_break_a_training_is_refused(arguments: dict[str, Any], message: str, train: Train) -> None:
    with pytest.raises(ConfigError, match=f"^params.yaml: training.arguments{re.escape(message)}"):
        train("run", "sft", arguments=arguments)


def test_a_training_may_save_nothing_unless_it_is_to_choose(train: Train) -> None:
    arguments = {"save_strategy": "no"}
    assert train("run", "sft", arguments=arguments, validation_share=0.3)["validation_pairs"] > 0
    with pytest.raises(ConfigError, match=r"saves nothing that training\.select: best can choose"):
        train("best", "sft", arguments=arguments, validation_share=0.3, select="best")


@pytest.mark.parametrize("save_steps", [1, 4, 0.2, 100])
def test_the_best_checkpoint_is_the_model_at_any_interval(
    save_steps: float, tmp_path: Path, train: Train, params: TrainingParams
) -> None:
    """Each checkpoint is scored, so the one with the least validation loss can be taken.

    Training has fifteen steps: a multiple of one and of three, which is a share of 0.2, and none of four or a hundred.
    """
    rates = {"sft": ObjectiveParams(learning_rate=0.05, alpha=1.0)}
    arguments = {"lr_scheduler_type": "constant", "save_steps": save_steps}
    settings = {"validation_share": 0.3, "epochs": 5, "objectives": {**params.objectives, **rates}}
    metrics = train("run", "sft", **settings, select="best", arguments=arguments)
    losses = {
        int(row["step"]): float(row["validation/loss"])
        for row in read_curve(tmp_path / "run")
        if row["validation/loss"]
    }
    assert metrics["model_step"] == min(losses, key=lambda step: losses[step])
    assert metrics["validation/loss"] == min(losses.values())
    steps = int(metrics["steps"])
    interval = math.ceil(save_steps if save_steps >= 1 else save_steps * steps)
    assert set(losses) == {*range(interval, steps, interval), steps}
    assert steps == 15


@pytest.mark.parametrize(
    "arguments",
    [
        {"dataloader_num_workers": 1},
        {"full_determinism": True, "logging_first_step": True},
        {"log_level": "error", "log_level_replica": "error", "log_on_each_node": False, "save_total_limit": 3},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_what_changes_no_number_changes_no_weight(
    arguments: dict[str, Any], tmp_path: Path, train: Train, trained: Trained
) -> None:
    import torch

    _, own = trained("target-rpo", epochs=1)
    try:
        train("given", "target-rpo", arguments=arguments, epochs=1)
    finally:
        torch.use_deterministic_algorithms(False)
    given = read_weights(tmp_path / "given")
    for name, weight in read_weights(own).items():
        assert torch.equal(given[name], weight), name
