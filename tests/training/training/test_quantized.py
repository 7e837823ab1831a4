"""Quantized bases (bitsandbytes, its CPU build): the same training as on a base of the numbers that four bits hold."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ConfigError
from iterpref_core.training.objectives.objective_table import OBJECTIVES
from tests.training.outputs import read_curve
from tests.training.training.conftest import Inputs, Train, read_weights

if TYPE_CHECKING:
    from iterpref_core.training.estimate.estimate import Estimate

pytestmark = pytest.mark.skipif(not find_spec("bitsandbytes"), reason="bitsandbytes is not installed")

LORA: dict[str, Any] = {"r": 4, "lora_alpha": 32}
QWEN_7B = {
    "hidden_size": 3584, "intermediate_size": 18_944, "num_attention_heads": 28, "num_key_value_heads": 4,
    "vocab_size": 152_064, "dtype": "bfloat16",
}  # fmt: skip


def _losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in read_curve(folder)]


def test_four_bits_train_what_a_base_of_the_same_numbers_trains(
    tmp_path: Path, inputs: Inputs, train: Train, params: TrainingParams
) -> None:
    import torch

    from iterpref_core.models.pretrained.tokenizers import load_tokenizer
    from iterpref_core.training.model.policy import load_policy

    quantized = load_policy(inputs[2], params.model_copy(update={"load": "4bit", "lora": LORA}), torch.device("cpu"))
    dequantized = tmp_path / "dequantized"
    quantized.dequantize().float().save_pretrained(dequantized)
    load_tokenizer(inputs[2]).save_pretrained(dequantized)

    settings = {"epochs": 1, "lora": LORA, "merge": False}
    train("4bit", "target-rpo", load="4bit", **settings)
    train("same numbers", "target-rpo", (*inputs[:2], dequantized), **settings)
    assert _losses(tmp_path / "4bit") == pytest.approx(_losses(tmp_path / "same numbers"), rel=1e-4)
    assert _losses(tmp_path / "4bit")[-1] < _losses(tmp_path / "4bit")[0]


@pytest.mark.parametrize(("load", "layout"), [("8bit", "padded"), ("4bit", "fork")])
def test_a_quantized_base_is_merged_as_it_was_saved(
    tmp_path: Path, inputs: Inputs, train: Train, load: str, layout: str
) -> None:
    import torch

    from iterpref_core.models.pretrained.weights import load_model

    train("run", "target-rpo", epochs=1, load=load, lora=LORA, layout=layout, gradient_checkpointing=True)
    trained, base = read_weights(tmp_path / "run"), load_model(inputs[2]).state_dict()
    for name, weight in trained.items():
        assert weight.dtype == base[name].dtype
        change = weight - base[name]
        assert torch.linalg.matrix_rank(change, rtol=1e-3) <= 4 if "_proj" in name else not change.any()
    assert any((trained[name] != base[name]).any() for name in trained)


def test_adapters_of_a_quantized_base_name_it(tmp_path: Path, inputs: Inputs, train: Train) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    train("run", "target-rpo", epochs=1, load="4bit", lora=LORA, merge=False)
    out = tmp_path / "run" / "out"
    written = json.loads((out / "adapter_config.json").read_text(encoding="utf-8"))
    assert written["base_model_name_or_path"] == str(inputs[2])
    assert not list(out.glob("model*.safetensors"))
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(inputs[2]), out)
    updates = [weight for name, weight in adapted.named_parameters() if "lora_B" in name]
    assert updates
    assert all(weight.any() for weight in updates)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"load": "4bit"}, r"training.load: 4bit: quantized weights cannot be trained themselves; set training.lora"),
        ({"load": "8bit"}, r"training.load: 8bit: .*; set training.lora"),
        ({"lora": {"rank": 4}}, r"training.lora.rank: is not known to write"),
        ({"lora": {"r": 0}}, r"training.lora: this model cannot be trained with these adapters: `r` should"),
        ({"arguments": {"neftune_noise_alpha": 5}}, r"arguments.neftune_noise_alpha: is not passed on"),
        ({"lora": {"target_modules": ["qproj"]}}, r"training.lora: .*qproj"),
        ({"arguments": {"weight_decai": 0.1}}, r"training.arguments.weight_decai: is not passed on"),
        ({"arguments": {"learning_rate": 1e-3}}, r"arguments.learning_rate: is not passed on"),
        ({"arguments": {"optim": "adamw_of_nobody"}}, r"training.arguments.optim: with adamw_of_nobody a"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_by_name(
    tmp_path: Path, train: Train, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train("run", "target-rpo", **settings)
    assert not (tmp_path / "run" / "out").exists()


def _estimated(load: str, layers: int, params: TrainingParams) -> Estimate:
    """Estimate a model of the shape of Qwen2.5's 7B, with pairs of 2,000 tokens."""
    from transformers import Qwen2Config

    from iterpref_core.training.data.tokenized_pair import TokenizedPair
    from iterpref_core.training.estimate.estimate import estimate_training

    settings = {"load": load, "lora": {"r": 16}, "bf16": True, "micro_batch_size": 1, "gradient_checkpointing": True}
    config = Qwen2Config(**QWEN_7B | {"num_hidden_layers": layers})
    long = TokenizedPair([5] * 1000, [7] * 1000, [7] * 500 + [8] * 500, [0] * 500 + [1] * 500, [0] * 1000)
    return estimate_training(config, [long] * 16, OBJECTIVES["target-rpo"], params.model_copy(update=settings))


@pytest.mark.slow
def test_a_model_of_seven_billion_trains_in_four_bits_within_24_gb(params: TrainingParams) -> None:
    found = _estimated("4bit", 28, params)
    assert found.parameters == 7_615_616_512
    assert found.peak_bytes < 24e9


def test_the_estimate_counts_the_bits_of_the_matrices(params: TrainingParams) -> None:
    saved, eight, four = (_estimated(load, 2, params) for load in ("bf16", "8bit", "4bit"))
    matrices = 2 * (2 * 3584 * 3584 + 2 * 3584 * 512 + 3 * 3584 * 18_944)
    assert saved.state_bytes - eight.state_bytes == matrices
    assert saved.state_bytes - four.state_bytes == pytest.approx(1.484 * matrices, rel=0.001)
    assert saved.trained == eight.trained == four.trained
