"""`FocalDPOTrainer` is called as TRL's trainer is, and knows how its data were made."""

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from torch.utils.data import Subset
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

from iterpref_core import FocalDPOConfig, FocalDPOTrainer, focal_dataset
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.training.model.passed_arguments import DPO_FIELDS
from iterpref_core.training.objectives.objective_table import OBJECTIVES
from iterpref_core.training.trainer import trainer_inputs
from iterpref_core.training.trainer.focal_config import own_fields

from .conftest import SETTINGS, arguments_in

pytestmark = pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")


@pytest.fixture
def config(tmp_path):
    def make(kind=FocalDPOConfig, **settings):
        return arguments_in(tmp_path / "run", kind, **{"max_steps": 1, "logging_steps": 1} | settings)

    return make


@pytest.fixture
def make_trainer(model, tokenizer, config):
    def make(data, args=None, **options):
        return FocalDPOTrainer(model, args or config(), data, tokenizer, **options)

    return make


@pytest.fixture
def make_rows(model, tokenizer, config):
    def make(data, objective="target-dpo", kind=FocalDPOConfig, **settings):
        settings |= {"objective": objective} if kind is FocalDPOConfig else {}
        return focal_dataset(data, model, tokenizer, objective, config(kind, **settings))

    return make


@pytest.mark.parametrize("peft", [False, True])
def test_the_user_s_dropout_is_back_when_training_ends(peft, model, make_trainer, pairs, tmp_path):
    """Whoever saves the model: itself, or the trainer."""
    model.config.attention_dropout = 0.25
    trainer = make_trainer(pairs, **{"peft_config": LoraConfig(task_type="CAUSAL_LM")} if peft else {})
    assert trainer.train().training_loss == pytest.approx(math.log(2), abs=1e-3)
    assert model.config.attention_dropout == 0.25
    for number, save in enumerate([] if peft else [model.save_pretrained, trainer.save_model]):
        save(str(tmp_path / str(number)))
        saved = json.loads((tmp_path / str(number) / "config.json").read_text())
        assert (saved["attention_dropout"], saved["architectures"]) == (0.25, ["LlamaForCausalLM"])


def test_a_checkpoint_has_the_user_s_dropout_and_so_has_a_model_whose_training_was_interrupted(
    config, make_trainer, pairs, model
):
    seen = []

    class Interrupt(TrainerCallback):
        def on_save(self, *_, model, **__):
            seen.append(model.config.attention_dropout)
            raise KeyboardInterrupt

    model.config.attention_dropout = 0.25
    args = config(save_strategy="steps", save_steps=1, max_steps=2)
    trainer = make_trainer(pairs, args, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    saved = json.loads(Path(args.output_dir, "checkpoint-1", "config.json").read_text())
    assert (saved["attention_dropout"], seen, model.config.attention_dropout) == (0.25, [0.0], 0.25)


def test_a_name_a_configuration_and_pairs_are_enough(model_folder, pairs, config):
    trainer = FocalDPOTrainer(str(model_folder), config(), pairs, eval_dataset=pairs.select([0, 1]))
    assert trainer.evaluate()["eval_loss"] == pytest.approx(math.log(2), abs=1e-5)
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert trainer.model.dtype == torch.float32


@pytest.mark.parametrize("dtype", ["dtype", "torch_dtype"])  # the older name
def test_a_name_is_loaded_as_the_configuration_says(dtype, model_folder, pairs, config, monkeypatch):
    loaded = []
    load = trainer_inputs.load_base

    def loading(name, **options):
        loaded.append((name, options))
        return load(model_folder, **options)

    monkeypatch.setattr(trainer_inputs, "load_base", loading)
    kwargs = {"revision": "main", dtype: "bfloat16", "attn_implementation": "eager"}
    trainer = FocalDPOTrainer("an/id", config(model_init_kwargs=kwargs), pairs, load_tokenizer(model_folder))
    assert loaded == [("an/id@main", {"dtype": "bfloat16", "attn_implementation": "eager"})]
    assert trainer.model.dtype == torch.bfloat16


def test_a_validation_between_two_lines_of_the_log_takes_no_rewards_away(model_folder, pairs, config, tmp_path):
    """The curve that a script writes is the stage's."""
    margins = []
    for more in ({}, {"eval_strategy": "steps", "eval_steps": 3}):
        args = config(max_steps=4, logging_steps=4, learning_rate=1e-3, per_device_train_batch_size=2, **more)
        trainer = FocalDPOTrainer(model_folder, args, pairs, eval_dataset=pairs.select([0, 1]))
        trainer.train()
        margins += [entry["rewards/margins"] for entry in trainer.state.log_history if "rewards/margins" in entry]
    assert margins[1] == pytest.approx(margins[0])
    trainer.write_curve(tmp_path / "curve.csv")
    columns, *rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert {"step", "loss", "rewards/margins", "validation/loss"} <= set(columns.split(","))
    assert [row.split(",")[0] for row in rows] == ["3", "4"]


def test_a_validation_before_training_has_the_precision_of_training(make_trainer, pairs, config):
    """Policy and reference are one there."""
    trainer = make_trainer(pairs, config(bf16=True, learning_rate=1e-12), eval_dataset=pairs.select([0, 1]))
    before = trainer.evaluate()
    trainer.train()
    assert before["eval_rewards/chosen"] == 0.0
    assert before["eval_nll"] == pytest.approx(trainer.evaluate()["eval_nll"], rel=1e-6)


def test_the_pairs_are_those_of_focal_dataset_and_references_that_are_missing_are_made(make_trainer, make_rows, pairs):
    rows = make_rows(pairs)
    without = make_rows(pairs, "sft")
    assert not without[0].ref_chosen
    for data in (pairs, without):
        assert make_trainer(data).train_dataset == rows
    assert make_trainer(pairs).train_dataset.form == rows.form


@pytest.mark.parametrize(
    ("objective", "theirs", "alpha"),
    [
        ("dpo", {"loss_type": "sigmoid"}, 1.0),
        ("rpo", {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 2.0]}, 2.0),
        ("ipo", {"loss_type": "ipo"}, 1.0),
        ("hinge", {"loss_type": "hinge"}, 1.0),
        ("robust", {"loss_type": "robust", "label_smoothing": 0.1}, 1.0),
        ("apo-zero", {"loss_type": "apo_zero"}, 1.0),
    ],
)
def test_losses_of_three_steps_are_trl_s(
    objective, theirs, alpha, model_folder, model,
    tokenizer, plain, config):  # fmt: skip
    """On texts, to which a tokenizer without a chat template adds nothing, so that both have the same tokens."""
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    common = {"max_steps": 3, "learning_rate": 1e-3, "per_device_train_batch_size": 4, "beta": 0.3}
    trl = DPOTrainer(
        model=model, args=config(DPOConfig, **theirs, **common), train_dataset=plain, processing_class=bare
    )
    ours = FocalDPOTrainer(str(model_folder), config(objective=objective, alpha=alpha, **common), plain, bare)
    for trainer in (trl, ours):
        trainer.train()
    losses = [[entry["loss"] for entry in each.state.log_history if "loss" in entry] for each in (trl, ours)]
    assert losses[0][0] != losses[0][2]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_several_sets_of_validation_pairs_have_names(make_trainer, make_rows, pairs, config):
    rows = make_rows(pairs)
    sets = {"raw": pairs.select([8, 9]), "tokens": rows[8:10], "others": rows[10:]}
    trainer = make_trainer(rows[:8], config(eval_strategy="steps", eval_steps=1), eval_dataset=sets)
    trainer.train()
    logged = {name: value for entry in trainer.state.log_history for name, value in entry.items()}
    assert logged["eval_raw_loss"] == pytest.approx(logged["eval_tokens_loss"], rel=1e-6)
    assert logged["eval_others_loss"] != logged["eval_tokens_loss"]
    assert trainer.evaluate("others")["eval_loss"] == pytest.approx(logged["eval_others_loss"])


@pytest.mark.filterwarnings("ignore:.*keep_end", "ignore:.*use_weighting")
@pytest.mark.parametrize("kind", [DPOConfig, FocalDPOConfig])
def test_a_field_that_is_not_used_is_refused_by_name(kind, make_rows, plain):
    assert own_fields().keys() == SETTINGS["unused fields"].keys() | DPO_FIELDS.keys()
    for name, value in SETTINGS["unused fields"].items():
        with pytest.raises(InputError, match=rf"{kind.__name__}: {name} = .* is not used: "):
            make_rows(plain, "dpo", kind, **{name: value})


def test_lengths_and_batch_of_the_configuration_are_used(model, make_rows, plain):
    sizes = []
    model.register_forward_pre_hook(lambda _, __, given: sizes.append(len(given["input_ids"])), with_kwargs=True)
    rows = make_rows(plain, "dpo", max_length=30, precompute_ref_batch_size=3)
    assert max(row.length for row in rows) == 30
    assert set(sizes) == {2 * 3}, "two rows a pair"
    assert not any(row.chosen_truncated or row.prompt_truncated for row in make_rows(plain, "dpo", max_length=None))


def test_arguments_come_before_the_configuration(make_trainer, model_folder, pairs, config):
    given = make_trainer(pairs, config(beta=0.1), objective="rpo", beta=0.5, layout="fork")
    assert (given._beta, given._objective, given.data_collator.layout) == (0.5, OBJECTIVES["rpo"], "fork")
    with pytest.raises(InputError, match="the model is loaded already"):
        make_trainer(pairs, config(model_init_kwargs={"dtype": "float32"}))
    with pytest.raises(InputError, match="a model's own code"):
        FocalDPOTrainer("folder", config(model_init_kwargs={"trust_remote_code": True}), pairs)
    with pytest.raises(ConfigError, match="'target'"):
        config(objective="target")
    own = replace(OBJECTIVES["ipo"], rejected="focal")
    assert make_trainer(pairs, objective=own).data_collator.objective == own


def test_data_made_with_other_settings_are_refused(make_trainer, make_rows, plain, pairs):
    without, rows, short = make_rows(plain, "dpo"), make_rows(pairs, "dpo"), make_rows(pairs, "dpo", max_length=200)
    for part in (without, without[2:6], Subset(without, [1, 2])):
        with pytest.raises(InputError, match="without error regions"):
            make_trainer(part)
    for name, data in (("train_dataset", (short, None)), ("eval_dataset", (rows, short))):
        with pytest.raises(InputError, match=f"{name} was made with max_prompt_length = 100"):
            make_trainer(data[0], eval_dataset=data[1])
    make_trainer(rows[2:6])  # the marks are there, whatever it was made for


def test_scripts_are_told_and_refused_what_the_command_is(make_rows, pairs, caplog):
    rows = make_rows(pairs)
    assert "data:" not in caplog.text
    end = len(rows[0].prompt_ids) + len(rows[0].focal) - 2
    make_rows(pairs, max_length=end, max_prompt_length=end // 2)
    assert "the chosen program loses its end" in caplog.text
    start = min(len(row.prompt_ids) + row.focal.index(1) for row in rows)
    settings = {"max_length": start, "max_prompt_length": start - 1}
    with pytest.raises(InputError, match=r"D- is cut off, .* max_length = "):
        make_rows(pairs, **settings)
    make_rows(pairs, "dpo", **settings)
