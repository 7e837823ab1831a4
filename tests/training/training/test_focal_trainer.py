"""The trainer leaves the user's model as it was, logs what TRL's trainer logs, and validates between steps."""

import copy
import json
import math

import pytest
import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, TrainerCallback
from trl import DPOConfig, DPOTrainer

from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.trainer.curve import write_curve

from .conftest import arguments_in, scored, trainer_of

pytestmark = pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")


@pytest.fixture
def make_trainer(model, rows, tokenizer, tmp_path):
    ready = scored(load_model(model.config.name_or_path), rows)

    def make(validation=None, peft_config=None, objective="target-dpo", policy=model, **settings):
        arguments = arguments_in(tmp_path / "run", **{"max_steps": 1, "logging_steps": 1} | settings)
        held = validation and ready[:validation]
        return trainer_of(policy, ready, tokenizer, arguments, objective, held, peft_config)

    return make


@pytest.mark.parametrize("peft", [False, True])
def test_the_user_s_dropout_is_back_when_training_ends(peft, model, make_trainer, tmp_path):
    """Whoever saves the model: itself, or the trainer."""
    model.config.attention_dropout = 0.25
    trainer = make_trainer(**{"peft_config": LoraConfig(task_type="CAUSAL_LM")} if peft else {})
    assert trainer.train().training_loss == pytest.approx(math.log(2), abs=1e-3)
    assert model.config.attention_dropout == 0.25
    for number, save in enumerate([] if peft else [model.save_pretrained, trainer.save_model]):
        save(str(tmp_path / str(number)))
        saved = json.loads((tmp_path / str(number) / "config.json").read_text())
        assert (saved["attention_dropout"], saved["architectures"]) == (0.25, ["LlamaForCausalLM"])


def test_the_user_s_dropout_is_back_where_training_was_interrupted(make_trainer, model):
    seen = []

    class Interrupt(TrainerCallback):
        def on_save(self, *_, model, **__):
            seen.append(model.config.attention_dropout)
            raise KeyboardInterrupt

    model.config.attention_dropout = 0.25
    trainer = make_trainer(save_strategy="steps", save_steps=1, max_steps=2)
    trainer.add_callback(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert (seen, model.config.attention_dropout) == ([0.0], 0.25)


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


@pytest.mark.parametrize(
    ("objective", "theirs"),
    [
        ("dpo", {"loss_type": "sigmoid"}),
        ("rpo", {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 2.0]}),
    ],
)
def test_losses_of_three_steps_are_trl_s(objective, theirs, model_folder, tokenizer, plain, tmp_path):
    """On texts, which a tokenizer without a chat template leaves as they are, so that both have the same tokens."""
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    common = {"max_steps": 3, "learning_rate": 1e-3, "per_device_train_batch_size": 4, "logging_steps": 1}
    policy, own, reference = (AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32) for _ in range(3))
    trl = DPOTrainer(
        model=policy,
        args=arguments_in(tmp_path, DPOConfig, beta=0.3, **theirs, **common),
        train_dataset=plain,
        processing_class=bare,
    )
    rows = []
    for row in trl.train_dataset:
        marks = [[0] * len(row[f"{side}_ids"]) for side in ("rejected", "chosen")]
        rows.append(TokenizedPair(row["prompt_ids"], row["chosen_ids"], row["rejected_ids"], *marks))
    arguments = arguments_in(tmp_path, **common)
    ours = trainer_of(own, scored(reference, rows), bare, arguments, objective, alpha=2.0, beta=0.3)
    for trainer in (trl, ours):
        trainer.train()
    losses = [[entry["loss"] for entry in each.state.log_history if "loss" in entry] for each in (trl, ours)]
    assert losses[0][0] != losses[0][2]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_adapters_that_training_cannot_follow_are_refused(make_trainer):
    on_head = LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "lm_head"])
    with pytest.raises(ConfigError, match="on the output head"):
        make_trainer(peft_config=on_head)


def test_pairs_without_a_reference_are_refused(model, rows, tokenizer, tmp_path):
    trainer = trainer_of(model, rows, tokenizer, arguments_in(tmp_path), "target-dpo")
    with pytest.raises(InputError, match="reference log-probabilities are missing, which Target-DPO needs"):
        trainer.train()
