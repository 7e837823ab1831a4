"""The trainer leaves the user's model as it was, logs what TRL's trainer logs, and validates between steps."""

import json
import math

import pytest

from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records import ConfigError, InputError
from iterpref_core.training.trainer.curve import write_curve

from .conftest import arguments_in, scored, trainer_of

pytestmark = pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")


@pytest.fixture
def make_trainer(model, rows, tokenizer, tmp_path):
    ready = scored(load_model(model.config.name_or_path), rows)

    def make(validation=None, objective="target-dpo", policy=model, lora=None, **settings):
        arguments = arguments_in(tmp_path / "run", **{"max_steps": 1, "logging_steps": 1} | settings)
        held = validation and ready[:validation]
        return trainer_of(policy, ready, tokenizer, arguments, objective, held, lora=lora)

    return make


def test_dropout_is_off_in_training_and_back_when_it_ends(model, make_trainer, tmp_path):
    model.config.attention_dropout = 0.25
    trainer = make_trainer()
    assert trainer.train().training_loss == pytest.approx(math.log(2), abs=1e-3)
    assert model.config.attention_dropout == 0.25
    trainer.save_model(str(tmp_path))
    saved = json.loads((tmp_path / "config.json").read_text())
    assert (saved["attention_dropout"], saved["architectures"]) == (0.25, ["LlamaForCausalLM"])


def test_a_validation_between_two_lines_of_the_log_takes_no_rewards_away(make_trainer, model_folder, tmp_path):
    margins = []
    for more in ({}, {"eval_strategy": "steps", "eval_steps": 3}):
        trainer = make_trainer(
            2 if more else None, policy=load_model(model_folder), max_steps=4, logging_steps=4, learning_rate=1e-3,
            per_device_train_batch_size=2, **more,
        )  # fmt: skip
        trainer.train()
        margins += [entry["rewards/margins"] for entry in trainer.state.log_history if "rewards/margins" in entry]
    assert margins[1] == pytest.approx(margins[0])
    assert any("eval_runtime" in entry for entry in trainer.state.log_history)
    write_curve(tmp_path / "curve.csv", trainer.state.log_history)
    columns, *lines = (tmp_path / "curve.csv").read_text().splitlines()
    assert {"step", "loss", "rewards/margins", "validation/loss"} <= set(columns.split(","))
    assert [line.split(",")[0] for line in lines] == ["3", "4"]


def test_a_validation_before_training_has_the_precision_of_training(make_trainer):
    trainer = make_trainer(2, bf16=True, learning_rate=1e-12)
    before = trainer.evaluate()
    trainer.train()
    assert before["eval_nll"] == pytest.approx(trainer.evaluate()["eval_nll"], rel=1e-6)


def test_adapters_that_training_cannot_follow_are_refused(make_trainer):
    with pytest.raises(ConfigError, match="on the output head"):
        make_trainer(lora={"target_modules": ["q_proj", "lm_head"]})


def test_pairs_without_a_reference_are_refused(model, rows, tokenizer, tmp_path):
    trainer = trainer_of(model, rows, tokenizer, arguments_in(tmp_path), "target-dpo")
    with pytest.raises(InputError, match="reference log-probabilities are missing, which Target-DPO needs"):
        trainer.train()
