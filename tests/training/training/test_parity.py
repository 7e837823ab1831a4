"""What is tried of a model before it is trained: each form of noise is switched off, what cannot be is refused."""

import math
from functools import partial

import pytest
import torch
from torch.nn.functional import dropout
from transformers import (
    AutoModelForCausalLM,
    GPTNeoConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

from iterpref_core.records import ConfigError, InputError, ModelError
from iterpref_core.training.data.batches import Collator
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model import parity
from iterpref_core.training.model.parity import check_parity
from tests.architectures import build_small

from .conftest import arguments_in, scored, trainer_of

_SIZES = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def _llama(change, **sizes):
    """A Llama that does something to its logits."""

    class Changed(LlamaForCausalLM):
        def forward(self, *args, **kwargs):
            found = super().forward(*args, **kwargs)
            found.logits = change(found.logits)
            return found

    torch.manual_seed(0)
    return Changed(LlamaConfig(**_SIZES | sizes, initializer_range=0.3)).float()


def _noisy(logits):
    return dropout(logits, 0.1)


def _scaled(logits):
    return 3 * logits


@pytest.mark.parametrize(
    ("change", "message"),
    [(_noisy, "two forward passes in training mode differ"), (_scaled, "changes its logits")],
)
def test_code_that_training_cannot_follow_is_refused(change, message):
    with pytest.raises(ModelError, match=f"^llama: .*{message}"):
        check_parity(_llama(change), "padded", 18)


def _suffix(batch):
    return batch["visible"][..., 1] > 0


_WRONG = {
    "plainly causal": lambda batch: batch["visible"].zero_(),
    "positions in the row": lambda batch: batch["position_ids"].copy_(torch.arange(batch["position_ids"].shape[1])),
    "positions one on": lambda batch: batch["position_ids"].add_(_suffix(batch).long()),
    "a suffix that sees a token more": lambda batch: batch["visible"][..., 1].add_(_suffix(batch).long()),
    "a suffix that sees a token less": lambda batch: batch["visible"][..., 1].sub_(_suffix(batch).long()),
    "a suffix that sees itself alone": lambda batch: batch["visible"][..., 1].zero_(),
}


@pytest.mark.parametrize("control", ["rounded", "exact"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("wrong", [None, *_WRONG])
def test_a_suffix_that_is_computed_wrongly_is_refused_in_every_precision_and_no_other_one(
    wrong, dtype, control, monkeypatch
):
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**_SIZES, initializer_range=0.3)).to(getattr(torch, dtype))
    if control == "exact":
        # As of SmolLM2 with adapters: rounding moves the suffix alone, and the chosen program stays exact.
        computed = parity.batch_logps

        def rounded(called, batch, config):
            noise = 0.03 if called.dtype == torch.bfloat16 else 0.0
            return computed(called, batch, config) + noise * (batch["w_rejected"] > 0)

        monkeypatch.setattr(parity, "batch_logps", rounded)
    if wrong is None:
        before = {name: weight.clone() for name, weight in model.named_parameters()}
        check_parity(model, "fork", 18)
        for name, weight in model.named_parameters():
            assert weight.dtype == before[name].dtype, name
            assert torch.equal(weight, before[name]), name
        return
    right = Collator.__call__

    def collate(self, rows):
        batch = right(self, rows)
        _WRONG[wrong](batch)
        return batch

    monkeypatch.setattr(Collator, "__call__", collate)
    with pytest.raises(ConfigError, match="computes a program after a shared prefix differently from a row of its own"):
        check_parity(model, "fork", 18)


def test_a_stage_begins_with_the_check(tmp_path, train, monkeypatch):
    noisy = _llama(_noisy, vocab_size=400)
    monkeypatch.setattr("iterpref_core.training.model.policy.load_base", lambda *_, **__: noisy)
    with pytest.raises(InputError, match="two forward passes"):
        train("run", "target-rpo")
    assert not (tmp_path / "run" / "out").exists()


def _gpt_neo(window):
    torch.manual_seed(0)
    sizes = {"vocab_size": 96, "hidden_size": 32, "num_layers": 2, "num_heads": 2, "initializer_range": 0.3}
    local = {"attention_types": [[["global", "local"], 1]], "window_size": window}
    return AutoModelForCausalLM.from_config(GPTNeoConfig(**sizes, **local)).float()


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("make", [_gpt_neo, partial(build_small, "mistral")])
def test_a_window_narrower_than_the_longest_pair_is_seen(make, listed, monkeypatch):
    """By the name of its setting; and, whatever that is, by the probe, which is as long as the longest pair."""
    if not listed:
        monkeypatch.setattr("iterpref_core.training.model.parity.against_fork", lambda *_: "")
    check_parity(make(64), "fork", 14)
    check_parity(make(16), "padded", 40)
    with pytest.raises(ConfigError, match=r"set training\.layout: padded"):
        check_parity(make(16), "fork", 40)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("name", [pytest.param("falcon_h1", marks=pytest.mark.slow), "jamba", "lfm2", "qwen3_next"])
def test_a_layer_that_carries_a_state_is_seen(name, listed, monkeypatch):
    """By its kind; and by the first token of a suffix, where it errs, while the median of all is exact."""
    model = build_small(name)
    if not listed:
        monkeypatch.setattr("iterpref_core.training.model.parity.against_fork", lambda *_: "")
    with pytest.raises(ConfigError, match=r"set training\.layout: padded"):
        check_parity(model, "fork", 40)
    check_parity(model, "padded", 40)


def test_a_trainer_takes_the_layout_that_is_exact_and_says_so(tokenizer, tmp_path, caplog):
    model, focal = build_small("mamba"), [0, 0, 1, 1, 0, 0]
    drawn = torch.randint(3, 90, (4, 42), generator=torch.Generator().manual_seed(1)).tolist()
    # Pairs of 40 tokens with their prompts; the programs differ near their end.
    rows = [TokenizedPair(row[:-8], [*row[-8:-4], *row[-2:]], [*row[-8:-6], *row[-4:]], focal, focal) for row in drawn]
    args = arguments_in(tmp_path, max_steps=1, learning_rate=1e-9, logging_steps=1)
    trainer = trainer_of(model, scored(model, rows), tokenizer, args, "target-dpo", beta=1.0, layout="fork")
    trainer.train()
    # Policy and reference are the same.
    assert float(trainer.state.log_history[0]["loss"]) == pytest.approx(math.log(2), abs=1e-4)
    assert "training.layout: padded instead of fork, which is faster: " in caplog.text


def test_checkpointing_of_a_model_that_has_none_is_refused(tokenizer, tmp_path):
    model, rows = build_small("jetmoe"), [TokenizedPair([5], [6, 7], [6, 8], [0, 1], [0, 1])]
    args = arguments_in(tmp_path, activation_checkpointing=True)
    with pytest.raises(ConfigError, match=r"training\.gradient_checkpointing: jetmoe has none; set it to false"):
        trainer_of(model, rows, tokenizer, args, "sft")
