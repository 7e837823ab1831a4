"""The label head has the numbers and gradients of plain logits, from less memory."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from iterpref_core.records import ModelError
from iterpref_core.training.model import label_head
from iterpref_core.training.model.label_head import add_label_head

_SIZES = {
    "vocab_size": 70, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
_CONFIGS = {
    "plain": {"model_type": "llama"},
    "tied": {"model_type": "qwen2", "tie_word_embeddings": True},
    "with a bias": {"model_type": "phi"},
    "capped": {
        "model_type": "gemma2", "head_dim": 16, "final_logit_softcapping": 0.3, "attn_implementation": "eager",
    },
    "multiplied": {"model_type": "cohere", "logit_scale": 0.2},
    "divided": {"model_type": "granite", "logits_scaling": 0.1},
}  # fmt: skip


@pytest.fixture(autouse=True)
def several_chunks(monkeypatch):
    monkeypatch.setattr(label_head, "CHUNK", 32)


def _model(kind):
    torch.manual_seed(0)
    config = AutoConfig.for_model(**_SIZES, **_CONFIGS[kind])
    return AutoModelForCausalLM.from_config(config, dtype=torch.float64).eval()


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return {
        "input_ids": torch.randint(3, 70, (3, 9)),
        "label_positions": torch.tensor([0, 26, 4, 13, 13, 7]),  # in any order, and one slot twice
        "label_targets": torch.tensor([0, 69, 31, 32, 5, 33]),
    }


def _by_logits(model, batch):
    logits = model(input_ids=batch["input_ids"], use_cache=False).logits.flatten(0, 1)[batch["label_positions"]]
    return logits.double().log_softmax(dim=-1).gather(1, batch["label_targets"][:, None])[:, 0]


def _gradients(model, logps):
    model.zero_grad()
    (logps * torch.linspace(-1, 2, len(logps), dtype=logps.dtype)).sum().backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def _assert_same(model, batch):
    expected = _by_logits(model, batch)
    gradients = _gradients(model, expected)
    found = model(**batch, use_cache=False)
    torch.testing.assert_close(found, expected.float())  # TRL's kernel adds up in float32, whatever the weights are
    for name, gradient in _gradients(model, found).items():
        # The norms of these models are in float32, and so are the gradients that pass through them.
        torch.testing.assert_close(gradient, gradients.pop(name), atol=1e-5, rtol=1e-5, msg=name)
    assert not gradients


@pytest.mark.parametrize("kind", _CONFIGS)
def test_values_and_gradients_are_those_of_plain_logits(kind, batch):
    model = _model(kind)
    before = model.state_dict().keys()
    add_label_head(model)
    _assert_same(model, batch)
    assert model.state_dict().keys() == before


def test_lora_is_trained_beside_the_head_and_refused_on_it(batch):
    model = get_peft_model(_model("plain"), LoraConfig(target_modules=["q_proj"], init_lora_weights=False))
    add_label_head(model.get_base_model())
    _assert_same(model, batch)
    assert not any(weight.grad is not None for name, weight in model.named_parameters() if "lora" not in name)
    for settings in ({"target_modules": ["q_proj", "lm_head"]}, {"modules_to_save": ["lm_head"]}):
        adapted = get_peft_model(_model("plain"), LoraConfig(**{"target_modules": ["q_proj"]} | settings))
        with pytest.raises(ModelError, match=r"llama: its output head is a .*, no plain matrix"):
            add_label_head(adapted.get_base_model())


def test_a_model_with_an_encoder_is_refused():
    sizes = {"vocab_size": 70, "d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    with pytest.raises(ModelError, match="t5: has an encoder; train"):
        add_label_head(AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model("t5", **sizes)))


def test_without_labels_there_is_still_a_gradient_of_zero(batch):
    """A process whose batch has none must take part in what the others do."""
    model = _model("plain")
    add_label_head(model)
    empty = torch.zeros(0, dtype=torch.long)
    logps = model(input_ids=batch["input_ids"], label_positions=empty, label_targets=empty)
    logps.sum().backward()
    assert all(weight.grad is not None and not weight.grad.any() for weight in model.parameters())
