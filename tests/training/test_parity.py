"""What is tried of a model before it is trained: each form of noise is switched off, what cannot be is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import dropout
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    PreTrainedModel,
    Starcoder2Config,
)

from iterpref_core.errors import ConfigError, InputError, ModelError
from iterpref_core.training.data.batches import Batch, Collator
from iterpref_core.training.model.parity import check_parity, switch_off_randomness

from .conftest import Train

_SIZES: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
_IDS = torch.arange(3, 27).view(2, 12)


def _starcoder(**settings: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    noise = {"residual_dropout": 0.3, "embedding_dropout": 0.3, "attention_dropout": 0.3}
    return AutoModelForCausalLM.from_config(Starcoder2Config(**_SIZES | settings, **noise)).float()


def test_dropout_by_function_is_switched_off() -> None:
    model = _starcoder().train()
    assert not torch.equal(model(_IDS).logits, model(_IDS).logits), "StarCoder2's own dropout, which is no module"
    expected = model.eval()(_IDS).logits
    switch_off_randomness(model)
    assert torch.equal(model.train()(_IDS).logits, expected)


class _Noisy(LlamaForCausalLM):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        found = super().forward(*args, **kwargs)
        found.logits = dropout(found.logits, 0.1)
        return found


class _Scaled(LlamaForCausalLM):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        found = super().forward(*args, **kwargs)
        found.logits = 3 * found.logits
        return found


@pytest.mark.parametrize(
    ("kind", "message"),
    [(_Noisy, "two forward passes in training mode differ"), (_Scaled, "changes its logits")],
)
def test_code_that_training_cannot_follow_is_refused(kind: Callable[..., PreTrainedModel], message: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(ModelError, match=f"^llama: .*{message}"):
        check_parity(kind(LlamaConfig(**_SIZES, initializer_range=0.3)).float(), "padded")


def _suffix(batch: Batch) -> torch.Tensor:
    return batch["visible"][..., 1] > 0


_WRONG: dict[str, Callable[[Batch], None]] = {
    "plainly causal": lambda batch: batch["visible"].zero_(),
    "positions in the row": lambda batch: batch["position_ids"].copy_(torch.arange(batch["position_ids"].shape[1])),
    "positions one on": lambda batch: batch["position_ids"].add_(_suffix(batch).long()),
    "a suffix that sees a token more": lambda batch: batch["visible"][..., 1].add_(_suffix(batch).long()),
    "a suffix that sees a token less": lambda batch: batch["visible"][..., 1].sub_(_suffix(batch).long()),
    "a suffix that sees itself alone": lambda batch: batch["visible"][..., 1].zero_(),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("wrong", [None, *_WRONG])
def test_a_suffix_that_is_computed_wrongly_is_refused_in_every_precision(
    wrong: str | None, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**_SIZES, initializer_range=0.3)).to(dtype)
    if wrong is None:
        check_parity(model, "fork")
        return
    right = Collator.__call__

    def collate(self: Collator, rows: Any) -> Batch:
        batch = right(self, rows)
        _WRONG[wrong](batch)
        return batch

    monkeypatch.setattr(Collator, "__call__", collate)
    with pytest.raises(
        ConfigError, match="computes a program behind a shared prefix differently from a row of its own"
    ):
        check_parity(model, "fork")


def _mamba() -> PreTrainedModel:
    sizes = {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 1, "state_size": 4}
    return AutoModelForCausalLM.from_config(MambaConfig(**sizes)).float()


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (lambda: _Noisy(LlamaConfig(**_SIZES | {"vocab_size": 400})), {}, "two forward passes"),
        (_mamba, {}, r"training.layout: fork: .*set training.layout: padded"),
        (_mamba, {"lora": {"r": 4}, "layout": "padded"}, r"training.lora: .*set training.lora: null"),
    ],
    ids=["noise", "no suffixes", "no adapters"],
)
def test_a_stage_begins_with_the_check(
    model: Callable[[], PreTrainedModel], settings: dict[str, Any], message: str, tmp_path: Path, train: Train,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("iterpref_core.training.model.policy.load_base", lambda _: model())
    with pytest.raises(InputError, match=message):
        train("run", "target-rpo", **settings)
    assert not (tmp_path / "run" / "out").exists()
