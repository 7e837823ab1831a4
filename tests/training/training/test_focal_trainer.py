"""`FocalDPOTrainer` is called as TRL's trainer is, and knows how its data were made."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.records import PreferencePair
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.training.objectives.objective_table import OBJECTIVES

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from iterpref_core import FocalDPOConfig, FocalDPOTrainer

MakeConfig = Callable[..., "FocalDPOConfig"]

pytestmark = pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")


@pytest.fixture
def config(tmp_path: Path) -> MakeConfig:
    def make(kind: str = "FocalDPOConfig", **settings: Any) -> Any:
        import transformers
        import trl

        import iterpref_core

        kinds = {
            "FocalDPOConfig": iterpref_core.FocalDPOConfig,
            "DPOConfig": trl.DPOConfig,
            "TrainingArguments": transformers.TrainingArguments,
        }
        common = {
            "report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True, "save_strategy": "no",
            "max_steps": 1, "logging_steps": 1, "dataloader_pin_memory": False,
        }  # fmt: skip
        return kinds[kind](str(tmp_path / "run"), **common | settings)

    return make


def test_the_user_s_dropout_is_back_when_training_ends(
    config: MakeConfig, pairs: Dataset, tokenizer: PreTrainedTokenizerBase, model_folder: Path, tmp_path: Path
) -> None:
    """Also where the model saves itself, and not the trainer."""
    from transformers import AutoModelForCausalLM

    from iterpref_core import FocalDPOTrainer

    model = AutoModelForCausalLM.from_pretrained(model_folder, attention_dropout=0.25)
    trainer = FocalDPOTrainer(model, config(), pairs, tokenizer)
    assert trainer.train().training_loss == pytest.approx(math.log(2), abs=1e-3)
    model.save_pretrained(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert saved["attention_dropout"] == 0.25
    assert saved["architectures"] == ["LlamaForCausalLM"]


def test_a_checkpoint_has_the_user_s_dropout_and_so_has_a_model_whose_training_was_interrupted(
    config: MakeConfig, pairs: Dataset, tokenizer: PreTrainedTokenizerBase, model_folder: Path
) -> None:
    from transformers import AutoModelForCausalLM, TrainerCallback

    from iterpref_core import FocalDPOTrainer

    seen = []

    class Interrupt(TrainerCallback):
        def on_save(self, *_: object, model: PreTrainedModel, **__: object) -> None:
            seen.append(model.config.attention_dropout)
            raise KeyboardInterrupt

    model = AutoModelForCausalLM.from_pretrained(model_folder, attention_dropout=0.25)
    args = config(save_strategy="steps", save_steps=1, max_steps=2)
    trainer = FocalDPOTrainer(model, args, pairs, tokenizer, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    saved = json.loads(Path(args.output_dir, "checkpoint-1", "config.json").read_text())
    assert (saved["attention_dropout"], seen, model.config.attention_dropout) == (0.25, [0.0], 0.25)
    trainer.save_model()
    assert model.config.attention_dropout == 0.25


@pytest.fixture
def plain(pair_records: list[PreferencePair]) -> Dataset:
    from datasets import Dataset

    return Dataset.from_list([pair.model_dump(include={"prompt", "chosen", "rejected"}) for pair in pair_records])


@pytest.fixture
def pairs(plain: Dataset) -> Dataset:
    from iterpref_core import mark_errors

    return plain.map(mark_errors)


@pytest.fixture
def model(model_folder: Path) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model_folder)


def _first_loss(trainer: FocalDPOTrainer) -> float:
    trainer.train()
    return float(trainer.state.log_history[0]["loss"])


def test_a_name_a_configuration_and_pairs_are_enough(model_folder: Path, pairs: Dataset, config: MakeConfig) -> None:
    from math import log

    from iterpref_core import FocalDPOTrainer

    trainer = FocalDPOTrainer(str(model_folder), config(), pairs, eval_dataset=pairs.select([0, 1]))
    assert trainer.evaluate()["eval_loss"] == pytest.approx(log(2), abs=1e-5)
    assert _first_loss(trainer) == pytest.approx(log(2), abs=1e-5)


def test_a_name_is_loaded_as_the_configuration_says(
    model_folder: Path, pairs: Dataset, config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from iterpref_core import FocalDPOTrainer
    from iterpref_core.training.trainer import trainer_inputs

    loaded = []
    load = trainer_inputs.load_base

    def loading(name: str, **options: Any) -> PreTrainedModel:
        loaded.append((name, options))
        return load(model_folder, **options)

    monkeypatch.setattr(trainer_inputs, "load_base", loading)
    kwargs = {"revision": "main", "dtype": "bfloat16", "attn_implementation": "eager"}
    trainer = FocalDPOTrainer("an/id", config(model_init_kwargs=kwargs), pairs, _tokenizer(model_folder))
    assert loaded == [("an/id@main", {"dtype": "bfloat16", "attn_implementation": "eager"})]
    assert trainer.model.dtype == torch.bfloat16
    assert FocalDPOTrainer(model_folder, config(), pairs).model.dtype == torch.float32


def test_the_older_name_of_dtype_is_read(model_folder: Path, pairs: Dataset, config: MakeConfig) -> None:
    import torch

    from iterpref_core import FocalDPOTrainer

    args = config(model_init_kwargs={"torch_dtype": "bfloat16"})
    assert FocalDPOTrainer(model_folder, args, pairs).model.dtype == torch.bfloat16


def test_a_validation_between_two_lines_of_the_log_takes_no_rewards_away(
    model_folder: Path, pairs: Dataset, config: MakeConfig, tmp_path: Path
) -> None:
    """The curve that a script writes is the stage's."""
    from iterpref_core import FocalDPOTrainer

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


def test_a_validation_before_training_has_the_precision_of_training(
    model_folder: Path, pairs: Dataset, config: MakeConfig
) -> None:
    """Policy and reference are one there."""
    from iterpref_core import FocalDPOTrainer

    args = config(bf16=True, learning_rate=1e-12)
    trainer = FocalDPOTrainer(model_folder, args, pairs, eval_dataset=pairs.select([0, 1]))
    before = trainer.evaluate()
    trainer.train()
    assert before["eval_rewards/chosen"] == 0.0
    assert before["eval_nll"] == pytest.approx(trainer.evaluate()["eval_nll"], rel=1e-6)


def _tokenizer(model: Path) -> PreTrainedTokenizerBase:
    from iterpref_core.models.pretrained.tokenizers import load_tokenizer

    return load_tokenizer(model)


def test_the_pairs_are_those_of_focal_dataset(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Dataset, config: MakeConfig
) -> None:
    from iterpref_core import FocalDPOTrainer, focal_dataset

    rows = focal_dataset(pairs, model, tokenizer, "target-rpo", config(objective="target-rpo"))
    trainer = FocalDPOTrainer(model, config(objective="target-rpo"), pairs, tokenizer)
    assert trainer.train_dataset == rows
    assert trainer.train_dataset.form == rows.form


def test_references_that_are_missing_are_made(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Dataset, config: MakeConfig
) -> None:
    from iterpref_core import FocalDPOTrainer, focal_dataset

    rows = focal_dataset(pairs, model, tokenizer, "sft", config(objective="sft"))
    assert not rows[0].ref_chosen
    trainer = FocalDPOTrainer(model, config(), rows, tokenizer)
    assert trainer.train_dataset == focal_dataset(pairs, model, tokenizer, "target-dpo", config())


@pytest.mark.parametrize("objective", ["dpo", "ipo"])
def test_the_loss_after_a_step_is_trl_s(
    objective: str, model_folder: Path, tokenizer: PreTrainedTokenizerBase, plain: Dataset, config: MakeConfig
) -> None:
    """On texts, to which a tokenizer without a chat template adds nothing, so that both have the same tokens.

    A sum of tokens and a mean of them; `test_trl.py` has every loss.
    """
    from transformers import AutoModelForCausalLM
    from trl import DPOTrainer

    from iterpref_core import FocalDPOTrainer

    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    common: dict[str, Any] = {"max_steps": 3, "learning_rate": 1e-3, "per_device_train_batch_size": 4, "beta": 0.3}
    kinds = {"dpo": "sigmoid"}
    theirs = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model_folder),
        args=config("DPOConfig", loss_type=kinds.get(objective, objective), **common),
        train_dataset=plain,
        processing_class=bare,
    )
    ours = FocalDPOTrainer(str(model_folder), config(objective=objective, **common), plain, bare)
    for trainer in (theirs, ours):
        trainer.train()
    losses = [[entry["loss"] for entry in each.state.log_history if "loss" in entry] for each in (theirs, ours)]
    assert losses[0][0] != losses[0][2]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_several_sets_of_validation_pairs_have_names(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Dataset, config: MakeConfig
) -> None:
    from iterpref_core import FocalDPOTrainer, focal_dataset

    args = config(eval_strategy="steps", eval_steps=1)
    rows = focal_dataset(pairs, model, tokenizer, "target-dpo", args)
    sets = {"raw": pairs.select([8, 9]), "tokens": rows[8:10], "others": rows[10:]}
    trainer = FocalDPOTrainer(model, args, rows[:8], tokenizer, eval_dataset=sets)
    trainer.train()
    logged = {name: value for entry in trainer.state.log_history for name, value in entry.items()}
    assert logged["eval_raw_loss"] == pytest.approx(logged["eval_tokens_loss"], rel=1e-6)
    assert logged["eval_others_loss"] != logged["eval_tokens_loss"]
    assert trainer.evaluate("others")["eval_loss"] == pytest.approx(logged["eval_others_loss"])


@pytest.mark.parametrize("peft", [False, True])
def test_the_configuration_that_was_loaded_is_saved(
    peft: bool, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Dataset, config: MakeConfig,
    tmp_path: Path,
) -> None:  # fmt: skip
    from peft import LoraConfig

    from iterpref_core import FocalDPOTrainer

    model.config.attention_dropout = 0.15
    options = {"peft_config": LoraConfig(task_type="CAUSAL_LM")} if peft else {}
    trainer = FocalDPOTrainer(model, config(save_strategy="steps", save_steps=1), pairs, tokenizer, **options)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    assert model.config.attention_dropout == 0.15
    if not peft:
        saved = json.loads((tmp_path / "saved" / "config.json").read_text(encoding="utf-8"))
        assert saved["attention_dropout"] == 0.15


OTHER_VALUES: dict[str, Any] = {
    "activation_offloading": True, "dataset_num_proc": 2, "disable_dropout": False, "discopop_tau": 0.1,
    "f_alpha_divergence_coef": 0.4, "f_divergence_type": "js_divergence", "label_smoothing": 0.1, "ld_alpha": 0.5,
    "loss_type": ["ipo"], "loss_weights": [2.0], "pad_to_multiple_of": 8, "padding_free": True,
    "ref_model_mixup_alpha": 0.5, "ref_model_sync_steps": 9, "router_aux_loss_coef": 0.1, "sync_ref_model": True,
    "truncation_mode": "keep_end", "trust_remote_code": True, "use_weighting": True,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*keep_end", "ignore:.*use_weighting")
@pytest.mark.parametrize("kind", ["DPOConfig", "FocalDPOConfig"])
def test_a_field_that_is_not_used_is_refused_with_its_reason(
    kind: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, plain: Dataset, config: MakeConfig
) -> None:
    from iterpref_core import focal_dataset
    from iterpref_core.training.model.passed_arguments import DPO_FIELDS
    from iterpref_core.training.trainer.focal_config import own_fields

    assert own_fields().keys() == OTHER_VALUES.keys() | DPO_FIELDS.keys()
    for name, value in OTHER_VALUES.items():
        with pytest.raises(InputError, match=rf"{kind}: {name} = .* is not used: .*; remove it"):
            focal_dataset(plain, model, tokenizer, "dpo", config(kind, **{name: value}))


def test_lengths_beta_and_batch_of_the_configuration_are_used(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, plain: Dataset, config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from iterpref_core import FocalDPOTrainer
    from iterpref_core.training.trainer import focal_dataset as module

    sizes = []
    score = module.score_pairs
    monkeypatch.setattr(module, "score_pairs", lambda *args, size: sizes.append(size) or score(*args, size=size))
    args = config(objective="dpo", beta=0.7, max_length=30, precompute_ref_batch_size=3)
    trainer = FocalDPOTrainer(model, args, plain, tokenizer)
    assert max(row.length for row in trainer.train_dataset) == 30
    assert sizes == [3]
    no_limit = FocalDPOTrainer(model, config(objective="dpo", max_length=None), plain, tokenizer)
    assert not any(row.chosen_truncated or row.prompt_truncated for row in no_limit.train_dataset)


def test_arguments_come_before_the_configuration(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Dataset, config: MakeConfig
) -> None:
    from iterpref_core import FocalDPOTrainer

    given = FocalDPOTrainer(model, config(beta=0.1), pairs, tokenizer, objective="rpo", beta=0.5, layout="fork")
    assert (given._beta, given._objective, given.data_collator.layout) == (0.5, OBJECTIVES["rpo"], "fork")
    with pytest.raises(InputError, match="model_init_kwargs: the model is loaded already; give its name"):
        FocalDPOTrainer(model, config(model_init_kwargs={"dtype": "float32"}), pairs, tokenizer)
    own_code = config(model_init_kwargs={"trust_remote_code": True})
    with pytest.raises(InputError, match="model_init_kwargs: a model's own code is never run; remove it"):
        FocalDPOTrainer("folder", own_code, pairs, tokenizer)
    with pytest.raises(ConfigError, match="no objective 'target'; did you mean"):
        config(objective="target")
    own = replace(OBJECTIVES["ipo"], rejected="focal")
    assert FocalDPOTrainer(model, config(), pairs, tokenizer, objective=own).data_collator.objective == own


def test_data_made_with_other_settings_are_refused(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, plain: Dataset, pairs: Dataset, config: MakeConfig
) -> None:
    from torch.utils.data import Subset

    from iterpref_core import FocalDPOTrainer, focal_dataset

    without = focal_dataset(plain, model, tokenizer, "dpo", config(objective="dpo"))
    rows = focal_dataset(pairs, model, tokenizer, "dpo", config(objective="dpo"))
    short = focal_dataset(pairs, model, tokenizer, "dpo", config(objective="dpo", max_length=200))
    for part in (without, without[2:6], Subset(without, [1, 2])):
        with pytest.raises(InputError, match="made of pairs without error regions, which Target-DPO weighs; make it"):
            FocalDPOTrainer(model, config(), part, tokenizer)
    for name, data in (("train_dataset", (short, None)), ("eval_dataset", (rows, short))):
        with pytest.raises(InputError, match=f"{name} was made with max_prompt_length = 100, and the trainer has 512"):
            FocalDPOTrainer(model, config(), data[0], tokenizer, eval_dataset=data[1])
    FocalDPOTrainer(model, config(), rows[2:6], tokenizer)  # the marks are there, whatever it was made for


def test_scripts_are_told_and_refused_what_the_command_is(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Dataset, config: MakeConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    from iterpref_core import focal_dataset

    rows = focal_dataset(pairs, model, tokenizer, "target-dpo", config())
    assert "data:" not in caplog.text
    end = len(rows[0].prompt_ids) + len(rows[0].focal) - 2
    focal_dataset(pairs, model, tokenizer, "target-dpo", config(max_length=end, max_prompt_length=end // 2))
    assert "the chosen program loses its end" in caplog.text
    start = min(len(row.prompt_ids) + row.focal.index(1) for row in rows)
    settings = {"max_length": start, "max_prompt_length": start - 1}
    with pytest.raises(InputError, match=r"D- is cut off, wholly or partly: .*; raise max_length = "):
        focal_dataset(pairs, model, tokenizer, "target-dpo", config(**settings))
    focal_dataset(pairs, model, tokenizer, "dpo", config(objective="dpo", **settings))


def test_the_table_of_objectives_is_at_hand() -> None:
    import iterpref_core

    assert iterpref_core.OBJECTIVES is OBJECTIVES
    names = {each.name for each in fields(iterpref_core.FocalDPOConfig)}
    assert {"objective", "alpha", "layout", "max_prompt_length", "beta", "learning_rate"} <= names
