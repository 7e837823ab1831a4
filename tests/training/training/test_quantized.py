"""Quantized bases (bitsandbytes, its CPU build): the same training as on a base of the numbers that four bits hold."""

import json
import shutil
from importlib.util import find_spec

import pytest
import torch

from iterpref_core.models.pretrained.checkpoints import read_config
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records import OBJECTIVES, ConfigError
from iterpref_core.training.estimate import estimate_training
from iterpref_core.training.model.policy import load_policy
from tests.settings import changed

from .conftest import read_curve, read_weights

pytestmark = pytest.mark.skipif(not find_spec("bitsandbytes"), reason="bitsandbytes is not installed")

LORA = {"r": 4, "lora_alpha": 32}
ADAPTERS = {"epochs": 1, "lora": LORA, "merge": False}


def _losses(folder):
    return [float(row["loss"]) for row in read_curve(folder)]


def test_four_bits_train_what_a_base_of_the_same_numbers_trains(tmp_path, inputs, train, trained, params):
    quantized = load_policy(inputs[1], changed(params, load="4bit", lora=LORA), torch.device("cpu"))
    dequantized = tmp_path / "dequantized"
    quantized.dequantize().float().save_pretrained(dequantized)
    load_tokenizer(inputs[1]).save_pretrained(dequantized)

    losses = _losses(trained("target-rpo", load="4bit", **ADAPTERS)[1])
    train("same numbers", "target-rpo", (inputs[0], dequantized), **ADAPTERS)
    assert losses == pytest.approx(_losses(tmp_path / "same numbers"), rel=1e-4)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("load", "layout"), [("8bit", "padded"), pytest.param("4bit", "fork", marks=pytest.mark.slow)])
def test_a_quantized_base_is_merged_as_it_was_saved(tmp_path, inputs, train, load, layout):
    train("run", "target-rpo", epochs=1, load=load, lora=LORA, layout=layout, gradient_checkpointing=True)
    trained, base = read_weights(tmp_path / "run"), load_model(inputs[1]).state_dict()
    for name, weight in trained.items():
        assert weight.dtype == base[name].dtype
        change = weight - base[name]
        assert torch.linalg.matrix_rank(change, rtol=1e-3) <= 4 if "_proj" in name else not change.any()
    assert any((trained[name] != base[name]).any() for name in trained)


def test_a_checkpoint_in_four_bits_trains_without_the_kernel_that_loses_gradients(
    tmp_path, inputs, params, tokenizer, monkeypatch
):
    """On a CPU with AVX512-BF16 it repacks the weights in the first pass without gradients."""
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    lora = changed(params, lora=LORA)
    saved = load_policy(inputs[1], changed(lora, load="4bit"), torch.device("cpu"))
    saved.save_pretrained(tmp_path / "saved")
    policy = load_policy(tmp_path / "saved", lora, torch.device("cpu"))
    kernels = [layer.support_avx512bf16_for_cpu for layer in policy.modules() if hasattr(layer, "quant_state")]
    assert len(kernels) == 14
    assert not any(kernels)


@pytest.mark.parametrize("method", ["fp8", "mxfp4", "nosuch"])
def test_weights_that_another_library_has_quantized_are_refused(method, tmp_path, inputs, train):
    model = shutil.copytree(inputs[1], tmp_path / "model")
    config = json.loads((model / "config.json").read_text()) | {"quantization_config": {"quant_method": method}}
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=f"model: quantized by {method}, .*train the model that it was made of"):
        train("run", "target-rpo", (inputs[0], model), lora=LORA)


def test_the_estimate_counts_the_bits_of_the_matrices(model_folder, rows, params):
    saved, eight, four = (
        estimate_training(
            read_config(model_folder), rows, OBJECTIVES["target-rpo"], changed(params, load=load, lora=LORA, bf16=True)
        )
        for load in ("bf16", "8bit", "4bit")
    )
    matrices = 2 * (4 * 32 * 32 + 3 * 32 * 64)
    assert saved.state_bytes - eight.state_bytes == matrices
    assert saved.state_bytes - four.state_bytes == pytest.approx(1.484 * matrices, rel=0.001)
    assert saved.trained == eight.trained == four.trained
