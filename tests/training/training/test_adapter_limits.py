"""Adapters of every kind are written as they were trained, or training does not begin."""

import json
from dataclasses import fields
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from peft import LoraConfig, get_peft_model

from iterpref_core.models.pretrained.weights import check_checkpoint, load_model
from iterpref_core.records import ConfigError, ModelError
from iterpref_core.training.model.policy import LORA_OPTIONS
from iterpref_core.training.trainer import train_objective

from .conftest import SETTINGS, read_curve


def _tokens():
    return torch.arange(2, 34)[None]


@pytest.fixture
def difference(train, tmp_path, monkeypatch):
    """(options, merge) → the largest difference between the logits of the trained and of the written model."""
    write = train_objective.write_model
    logits = []

    def looking(trainer, *args, **options):
        with torch.no_grad():
            logits.append(trainer.model.eval()(input_ids=_tokens()).logits)
        return write(trainer, *args, **options)

    monkeypatch.setattr(train_objective, "write_model", looking)

    def compare(lora, merge):
        train("run", "target-rpo", lora={"r": 4, "lora_alpha": 32} | lora, epochs=1, merge=merge)
        written = load_model(tmp_path / "run" / "out")(_tokens()).logits
        return float((written - logits[-1]).detach().abs().max())

    return compare


def test_every_start_that_peft_lists_is_tried():
    listed = set()
    for kind in get_args(get_type_hints(LoraConfig)["init_lora_weights"]):
        listed |= set(get_args(kind)) if get_origin(kind) is Literal else {True, False}
    tried = {options.get("init_lora_weights", True) for options in SETTINGS["adapters"]}
    assert listed == {*tried, *SETTINGS["refused starts"]}


def test_every_option_that_is_taken_is_tried():
    assert {field.name for field in fields(LoraConfig)} >= {*LORA_OPTIONS}
    assert set().union(*SETTINGS["adapters"]) == {*LORA_OPTIONS}


@pytest.mark.parametrize("merge", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", SETTINGS["adapters"], ids=str)
@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set", "ignore:Setting `save_embedding_layers`")
def test_the_written_model_is_the_trained_one_with_every_option_and_start(options, merge, difference, tmp_path):
    assert difference(options, merge=merge) < 1e-5
    assert float(read_curve(tmp_path / "run")[0]["rewards/margins"]) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    "options", [{"target_modules": ["embed_tokens"]}, {"modules_to_save": ["embed_tokens"]}], ids=str
)
@pytest.mark.filterwarnings("ignore:.*tie_word_embeddings", "ignore:.*tied")
def test_adapters_that_would_part_the_embedding_from_the_head_are_refused(
    options, model, tokenizer, inputs, train, tmp_path
):
    model.config.tie_word_embeddings = True
    model.tie_weights()
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "tied")
    with pytest.raises(ConfigError, match=r"training.lora: .*the embedding is also the head .*would part them"):
        train("run", "dpo", (inputs[0], tmp_path / "tied"), lora={"r": 4} | options)


def test_adapters_whose_base_nobody_can_make_again_are_not_read(model_folder, tmp_path, params):
    options = LoraConfig(r=4, init_lora_weights="pissa_niter_4", task_type="CAUSAL_LM")
    adapted = get_peft_model(load_model(model_folder), options)
    adapted.peft_config["default"].base_model_name_or_path = str(model_folder)
    adapted.save_pretrained(tmp_path / "adapters")
    (tmp_path / "adapters" / "README.md").unlink()
    for read in (load_model, check_checkpoint):
        with pytest.raises(ModelError, match="init_lora_weights: pissa_niter_4, which changes the base, so that"):
            read(tmp_path / "adapters")
    path = tmp_path / "adapters" / "adapter_config.json"
    assert json.loads(path.read_text())["init_lora_weights"] == "pissa_niter_4"
