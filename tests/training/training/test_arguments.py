"""Arguments of transformers are passed on, unless training decides them."""

import threading
from dataclasses import fields

import pytest
import torch
from transformers import TrainingArguments

from iterpref_core.records import ConfigError
from iterpref_core.training.data.batches import row_multiple
from iterpref_core.training.objectives.objective_settings import settings_of
from iterpref_core.training.trainer import settings
from iterpref_core.training.trainer.settings import OURS, check_arguments

from .conftest import assert_equal_weights


def test_arguments_that_training_decides_are_refused_and_so_are_unknown_ones():
    assert {*OURS} <= {field.name for field in fields(TrainingArguments)}
    for name in OURS:
        with pytest.raises(ConfigError, match=rf"^params.yaml: training.arguments.{name}: .* decides it"):
            check_arguments({name: None})
    for name, decides in {"gradient_accumulation_steps": "batch_size", "eval_steps": "arguments.save_steps"}.items():
        with pytest.raises(ConfigError, match=f"{name}: training.{decides} decides it; remove it"):
            check_arguments({name: None})
    with pytest.raises(ConfigError, match="'weight_decai'; did you mean 'weight_decay'"):
        check_arguments({"weight_decai": 0.1})


def test_what_transformers_takes_is_taken_and_its_trial_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_arguments({"optim": "lion_8bit", "lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": {"power": 2.0}})
    assert list(tmp_path.iterdir()) == []


def test_a_card_waits_for_no_row_and_has_few_shapes(params, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "TrainingArguments", lambda **values: values)
    for cuda, workers in ((True, 2), (False, 0)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        made = settings.training_arguments(params, settings_of("sft", params), 1, 12, tmp_path, validated=False)
        assert made["dataloader_num_workers"] == workers
        assert row_multiple(on_card=cuda) == (128 if cuda else 16)


def test_what_changes_no_number_and_what_is_computed_again_change_no_weight(tmp_path, train, trained, monkeypatch):
    arguments = {"dataloader_num_workers": 1, "full_determinism": True, "logging_first_step": True}
    arguments |= {"logging_steps": 1, "save_steps": 2}
    # A data loader's worker is a fork of this process. Where another test has run a flow here, Prefect's services are
    # also to be stopped at the end of each fork; Prefect (3.8.8) fails there, and the worker ends with exit code 1.
    monkeypatch.setattr(threading, "_threading_atexits", [])
    _, own = trained("target-rpo", epochs=1)
    try:
        train("given", "target-rpo", arguments=arguments, epochs=1, gradient_checkpointing="selective")
    finally:
        torch.use_deterministic_algorithms(False)
    assert_equal_weights(tmp_path / "given", own)
