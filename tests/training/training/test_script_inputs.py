"""A script's mistakes are told in one line each."""

import math
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from trl import DPOConfig

from iterpref_core import FocalCollator, FocalDPOConfig, FocalDPOTrainer
from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records.errors import InputError
from iterpref_core.training.objectives.objective_table import OBJECTIVES
from iterpref_core.training.trainer.focal_dataset import DataForm, FocalDataset

from .conftest import SETTINGS, arguments_in, with_zeros


def _referenced(rows):
    """Pairs as `focal_dataset` makes them, with 0 for each log-probability of the reference."""
    return FocalDataset(list(map(with_zeros, rows)), DataForm(512, 1024, "bare", marked=True, scored=True))


@pytest.fixture
def make_trainer(model_folder, rows, tokenizer, tmp_path):
    def make(**changed):
        options = {
            "model": load_model(model_folder),
            "args": arguments_in(tmp_path),
            "train_dataset": _referenced(rows),
            "processing_class": tokenizer,
            "objective": OBJECTIVES["target-dpo"],
            "beta": 0.1,
        }
        return FocalDPOTrainer(**options | changed)

    return make


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("objective", None), ("beta", None), ("beta", -0.1), ("beta", "0.1"), ("ref_model", object()),
        ("data_collator", object()), ("compute_metrics", object()), ("compute_loss_func", object()),
        ("model_init", object()), ("preprocess_logits_for_metrics", object()), ("tokenizer", object()), ("model", None),
        ("args", {"beta": 0.1}), ("processing_class", object()), ("peft_config", {"r": 4}), ("layout", "forked"),
        ("nll", "average"), ("train_dataset", None), ("train_dataset", iter([])),
        ("eval_dataset", [{"prompt": "p"}]), ("alpha", 2.0),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_argument(name, value, make_trainer):
    with pytest.raises(InputError, match=f"^(FocalDPOTrainer: )?{name}:? ") as raised:
        make_trainer(**{name: value, "args": arguments_in(Path("unused")) if name != "args" else value})
    assert "\n" not in str(raised.value)


def test_a_setting_that_the_objective_does_not_read_is_refused(make_trainer):
    for settings in ({"max_margin": 3.0}, {"beta": 0.5}):
        with pytest.raises(InputError, match=f"{next(iter(settings))} = .* has no effect on SFT"):
            make_trainer(objective="sft", **{"beta": None} | settings)
    assert make_trainer(objective="sft", beta=None, alpha=0.5)


@pytest.mark.parametrize(("name", "value"), [*SETTINGS["unread arguments"].items()])
def test_an_argument_of_transformers_that_has_no_effect_is_refused(name, value, make_trainer, tmp_path):
    with pytest.raises(InputError, match=f"{name}: " if name.startswith("train_") else f": {name} is not used: "):
        make_trainer(args=arguments_in(tmp_path, **{name: value}))


def test_half_batches_have_an_order_of_their_own(make_trainer, tmp_path):
    orders = []
    for seed in (1, 2):
        trainer = make_trainer(objective="hybrid-dpo", args=arguments_in(tmp_path, data_seed=seed))
        orders.append(list(trainer._get_train_sampler()))
    assert orders[0] != orders[1]
    with pytest.raises(InputError, match="train_sampling_strategy: sequential"):
        make_trainer(objective="hybrid-dpo", args=arguments_in(tmp_path, train_sampling_strategy="sequential"))


def test_a_script_goes_on_from_the_newest_checkpoint_that_is_whole(make_trainer, tmp_path):
    args = arguments_in(tmp_path, save_strategy="steps", save_steps=1, max_steps=3)
    with pytest.raises(InputError, match="holds no whole checkpoint"):
        make_trainer(args=args).train(resume_from_checkpoint=True)
    first, again = make_trainer(args=args), make_trainer(args=args)
    first.train()
    for name in ("whole", "trainer_state.json"):
        (tmp_path / "checkpoint-3" / name).unlink()
    with pytest.raises(InputError, match="checkpoint-3: is no checkpoint that this trainer wrote to its end"):
        again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    again.train(resume_from_checkpoint=True)
    assert again.state.global_step == 3
    for weights in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", -1.0), ("alpha", math.nan), ("answer", "loose"), ("beta", 0.0), ("beta", -0.1), ("beta", math.nan),
        ("layout", "forked"), ("max_length", 0), ("max_margin", -1.0), ("max_prompt_length", -3), ("nll", "average"),
        ("max_prompt_length", "20"), ("objective", OBJECTIVES["dpo"]),
    ],
)  # fmt: skip
def test_a_value_that_params_yaml_may_not_have_no_configuration_may_have(name, value, tmp_path):
    with pytest.raises(InputError, match=f"^{name}: is "):
        FocalDPOConfig(str(tmp_path), use_cpu=True, **{name: value})


@pytest.mark.parametrize("number", SETTINGS["numbers out of range"], ids=str)
def test_a_number_that_the_command_would_refuse_no_script_may_give(number, tmp_path):
    (name,) = number
    with pytest.raises(InputError, match=f"^FocalDPOConfig: {name}: is "):
        FocalDPOConfig(str(tmp_path), use_cpu=True, **number)


@pytest.mark.filterwarnings("ignore:.*pad_token.*deprecated:FutureWarning")
def test_a_padding_token_is_one_of_the_vocabulary(make_trainer, tmp_path):
    args = arguments_in(tmp_path, DPOConfig, pad_token="<nowhere>", remove_unused_columns=False)
    tokenizer = make_trainer().processing_class
    for make in (lambda: make_trainer(args=args), lambda: FocalCollator(tokenizer, args)):
        with pytest.raises(InputError, match="pad_token is '<nowhere>'"):
            make()
    bare = deepcopy(tokenizer)
    bare.pad_token = bare.eos_token = None
    with pytest.raises(InputError, match="neither a pad_token nor an eos_token"):
        FocalCollator(bare, arguments_in(tmp_path, DPOConfig, remove_unused_columns=False))


def test_a_model_of_which_nothing_is_trained_is_refused_and_so_are_adapters_that_training_cannot_follow(
    make_trainer, model_folder
):
    """Such as adapters that were loaded without `is_trainable`: all steps would change nothing."""
    on_head = LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "lm_head"])
    before_prompts = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    for config, reason in ((on_head, "on the output head"), (before_prompts, "PREFIX_TUNING puts tokens before")):
        with pytest.raises(InputError, match=reason):
            make_trainer(peft_config=config)
    frozen = load_model(model_folder).requires_grad_(False)
    with pytest.raises(InputError, match="is_trainable=True"):
        make_trainer(model=frozen)
    options = LoraConfig(task_type="CAUSAL_LM")
    assert make_trainer(model=frozen, peft_config=options).get_num_trainable_parameters() > 0
    adapted = get_peft_model(load_model(model_folder), options)
    with pytest.raises(InputError, match="peft_config: the model has adapters already"):
        make_trainer(model=adapted, peft_config=options)


def test_no_logits_are_predicted_and_no_texts_validated(make_trainer):
    trainer = make_trainer()
    with pytest.raises(InputError, match="predict: "):
        trainer.predict(trainer.train_dataset)
    texts = Dataset.from_list([{"prompt": "p", "chosen": "a", "rejected": "b"}])
    with pytest.raises(InputError, match="evaluate: there are no tokenized pairs"):
        trainer.evaluate(texts)
    with pytest.raises(InputError, match="evaluate: no eval_dataset 'other'"):
        trainer.evaluate("other")


def test_pairs_without_a_reference_are_refused(rows, make_trainer):
    trainer = make_trainer(train_dataset=rows)
    with pytest.raises(InputError, match="no reference log-probabilities, which Target-DPO needs"):
        trainer.train()
