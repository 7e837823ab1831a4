"""A script's mistakes are told in one line each, and an objective of one's own draws all pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.records.errors import InputError
from iterpref_core.training.objectives.objective_table import HALF, OBJECTIVES

if TYPE_CHECKING:
    from iterpref_core import FocalDPOTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, TrainingArguments

    from iterpref_core.training.data.tokenized_pair import TokenizedPair
    from iterpref_core.training.trainer.focal_dataset import FocalDataset

MakeTrainer = Callable[..., "FocalDPOTrainer"]


def _arguments(folder: Path, **settings: Any) -> TrainingArguments:
    from transformers import TrainingArguments

    common = {"report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True, "save_strategy": "no"}
    return TrainingArguments(str(folder), dataloader_pin_memory=False, **common | settings)


def _referenced(rows: list[TokenizedPair]) -> FocalDataset:
    """Pairs as `focal_dataset` makes them, with 0 for each log-probability of the reference."""
    from iterpref_core.training.trainer.focal_dataset import DataForm, FocalDataset

    scored = [
        replace(row, ref_chosen=[0.0] * len(row.chosen_ids), ref_rejected=[0.0] * len(row.rejected_ids)) for row in rows
    ]
    return FocalDataset(scored, DataForm(512, 1024, "bare", marked=True, scored=True))


@pytest.fixture
def make_trainer(
    model_folder: Path, rows: list[TokenizedPair], tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> MakeTrainer:
    from iterpref_core import FocalDPOTrainer
    from iterpref_core.models.pretrained.weights import load_model

    def make(**changed: Any) -> FocalDPOTrainer:
        options = {
            "model": load_model(model_folder),
            "args": _arguments(tmp_path),
            "train_dataset": _referenced(rows),
            "processing_class": tokenizer,
            "objective": OBJECTIVES["target-dpo"],
            "beta": 0.1,
        }
        return FocalDPOTrainer(**options | changed)

    return make


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"objective": None}, "objective is missing, and TrainingArguments has none; give it, or a FocalDPOConfig"),
        ({"beta": None}, "beta is missing, and TrainingArguments has none; give it"),
        ({"ref_model": object()}, r"ref_model is not loaded beside the policy; score the pairs with it: "),
        ({"data_collator": object()}, "data_collator is the layout's own; choose layout"),
        ({"compute_metrics": object()}, "compute_metrics would need logits, and none are built; use evaluate"),
        ({"train_dataset": None}, "train_dataset is a NoneType; give a Dataset with the columns prompt, chosen and"),
        ({"compute_loss_func": object()}, "compute_loss_func would never be called; give an `Objective` with"),
        ({"model_init": object()}, "model_init makes a model that nobody has scored the reference with; give"),
        ({"layout": "forked"}, "layout is 'forked': Input should be 'fork' or 'padded'; correct the value"),
        ({"nll": "average"}, "nll is 'average': Input should be 'mean' or 'sum'"),
        ({"beta": -0.1}, "beta is -0.1: Input should be greater than 0"),
        ({"eval_dataset": [{"prompt": "p"}]}, "eval_dataset is a list; give a Dataset with the columns prompt"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(changed: dict[str, Any], message: str, make_trainer: MakeTrainer) -> None:
    with pytest.raises(InputError, match=message) as raised:
        make_trainer(**changed)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", -1.0), ("alpha", math.nan), ("answer", "loose"), ("beta", 0.0), ("beta", -0.1), ("beta", math.nan),
        ("layout", "forked"), ("max_length", 0), ("max_margin", -1.0), ("max_prompt_length", -3), ("nll", "average"),
    ],
)  # fmt: skip
def test_a_value_that_params_yaml_may_not_have_no_configuration_may_have(
    name: str, value: object, tmp_path: Path
) -> None:
    from iterpref_core import FocalDPOConfig

    with pytest.raises(InputError, match=f"^{name} is .*; correct the value$"):
        FocalDPOConfig(str(tmp_path), use_cpu=True, **{name: value})


@pytest.mark.filterwarnings("ignore:.*pad_token.*deprecated:FutureWarning")
def test_a_padding_token_is_one_of_the_vocabulary(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    from trl import DPOConfig

    from iterpref_core import FocalCollator

    settings = {"use_cpu": True, "bf16": False, "report_to": "none", "remove_unused_columns": False}
    args = DPOConfig(str(tmp_path), pad_token="<nowhere>", **settings)
    with pytest.raises(InputError, match="pad_token is '<nowhere>', which the vocabulary does not have"):
        make_trainer(args=args)
    with pytest.raises(InputError, match="pad_token is '<nowhere>', which the vocabulary does not have"):
        FocalCollator(make_trainer().processing_class, args)


def test_a_model_of_which_nothing_is_trained_is_refused(make_trainer: MakeTrainer, model_folder: Path) -> None:
    """Such as adapters that were loaded without `is_trainable`: all steps would change nothing."""
    from peft import LoraConfig, get_peft_model

    from iterpref_core.models.pretrained.weights import load_model

    frozen = load_model(model_folder).requires_grad_(False)
    with pytest.raises(InputError, match="no weight of the model is trained; load adapters with is_trainable=True"):
        make_trainer(model=frozen)
    options = LoraConfig(task_type="CAUSAL_LM")
    assert make_trainer(model=frozen, peft_config=options).get_num_trainable_parameters() > 0
    adapted = get_peft_model(load_model(model_folder), options)
    with pytest.raises(InputError, match="peft_config: the model has adapters already"):
        make_trainer(model=adapted, peft_config=options)


def test_no_logits_are_predicted_and_no_texts_validated(make_trainer: MakeTrainer) -> None:
    from datasets import Dataset

    trainer = make_trainer()
    with pytest.raises(InputError, match="predict: no logits are built"):
        trainer.predict(trainer.train_dataset)
    texts = Dataset.from_list([{"prompt": "p", "chosen": "a", "rejected": "b"}])
    with pytest.raises(InputError, match=r"evaluate: there are no tokenized pairs; give an eval_dataset that `focal_"):
        trainer.evaluate(texts)


def test_noise_on_embeddings_is_refused(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neftune_noise_alpha: noise would separate the policy from its reference"):
        make_trainer(args=_arguments(tmp_path, neftune_noise_alpha=5.0))


def test_pairs_without_a_reference_are_refused(
    model_folder: Path, rows: list[TokenizedPair], tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    from iterpref_core.models.pretrained.weights import load_model
    from iterpref_core.training.trainer.focal_trainer import FocalDPOTrainer

    trainer = FocalDPOTrainer(
        load_model(model_folder), _arguments(tmp_path), rows, tokenizer, objective=OBJECTIVES["target-dpo"], beta=0.1
    )
    with pytest.raises(InputError, match="no reference log-probabilities, which Target-DPO needs; call `focal_dataset"):
        trainer.train()


def test_an_objective_with_a_half_draws_every_pair(
    rows: list[TokenizedPair], make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    objective = replace(OBJECTIVES["ipo"], rejected=HALF)
    arguments = _arguments(tmp_path, per_device_train_batch_size=4, num_train_epochs=1)
    trainer = make_trainer(objective=objective, args=arguments)
    drawn = []
    collate = trainer.data_collator

    def record(batch: list[TokenizedPair]) -> Any:
        drawn.extend(batch)
        return collate(batch)

    trainer.data_collator = record
    trainer.train()
    assert sorted(pair.task_id for pair in drawn) == sorted(row.task_id for row in rows)
    assert sum(pair.half for pair in drawn) == len(rows) // 2


def test_a_trainer_shares_no_prefix_in_a_window_that_would_cut_into_a_pair(
    make_trainer: MakeTrainer, rows: list[TokenizedPair], caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2, "num_hidden_layers": 1}
    longest = max(row.length for row in rows)
    for window, layout in ((longest - 1, "padded"), (longest, "fork")):
        config = AutoConfig.for_model("mistral", vocab_size=320, sliding_window=window, **sizes)
        trainer = make_trainer(model=AutoModelForCausalLM.from_config(config), layout="fork")
        assert trainer.data_collator.layout == layout
    assert caplog.text.count("padded instead of fork") == 1
