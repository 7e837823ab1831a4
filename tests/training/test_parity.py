"""What is tried of a model before it is trained: each form of noise is switched off, what cannot be is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.errors import ConfigError, InputError, ModelError

from .conftest import Train

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from iterpref_core.training.data.batches import Batch, Collator

_SIZES: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def _starcoder(**settings: Any) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM, Starcoder2Config

    torch.manual_seed(0)
    noise = {"residual_dropout": 0.3, "embedding_dropout": 0.3, "attention_dropout": 0.3}
    return AutoModelForCausalLM.from_config(Starcoder2Config(**_SIZES | settings, **noise)).float()


def test_dropout_by_function_is_switched_off() -> None:
    import torch

    from iterpref_core.training.model.parity import switch_off_randomness

    model = _starcoder().train()
    ids = torch.arange(3, 27).view(2, 12)
    assert not torch.equal(model(ids).logits, model(ids).logits), "StarCoder2's own dropout, which is no module"
    expected = model.eval()(ids).logits
    switch_off_randomness(model)
    assert torch.equal(model.train()(ids).logits, expected)


def _llama(change: Callable[[torch.Tensor], torch.Tensor], **sizes: Any) -> PreTrainedModel:
    """A Llama that does something to its logits."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    class Changed(LlamaForCausalLM):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            found = super().forward(*args, **kwargs)
            found.logits = change(found.logits)
            return found

    torch.manual_seed(0)
    return Changed(LlamaConfig(**_SIZES | sizes, initializer_range=0.3)).float()


def _noisy(logits: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import dropout

    return dropout(logits, 0.1)


def _scaled(logits: torch.Tensor) -> torch.Tensor:
    return 3 * logits


@pytest.mark.parametrize(
    ("change", "message"),
    [(_noisy, "two forward passes in training mode differ"), (_scaled, "changes its logits")],
)
def test_code_that_training_cannot_follow_is_refused(
    change: Callable[[torch.Tensor], torch.Tensor], message: str
) -> None:
    from iterpref_core.training.model.parity import check_parity

    with pytest.raises(ModelError, match=f"^llama: .*{message}"):
        check_parity(_llama(change), "padded")


def _suffix(batch: Batch) -> torch.Tensor:
    return batch["visible"][..., 1] > 0


def _count_up(values: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.arange(values.shape[1])


_WRONG: dict[str, Callable[[Any], object]] = {
    "plainly causal": lambda batch: batch["visible"].zero_(),
    "positions in the row": lambda batch: batch["position_ids"].copy_(_count_up(batch["position_ids"])),
    "positions one on": lambda batch: batch["position_ids"].add_(_suffix(batch).long()),
    "a suffix that sees a token more": lambda batch: batch["visible"][..., 1].add_(_suffix(batch).long()),
    "a suffix that sees a token less": lambda batch: batch["visible"][..., 1].sub_(_suffix(batch).long()),
    "a suffix that sees itself alone": lambda batch: batch["visible"][..., 1].zero_(),
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("wrong", [None, *_WRONG])
def test_a_suffix_that_is_computed_wrongly_is_refused_in_every_precision(
    wrong: str | None, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from iterpref_core.training.data.batches import Collator
    from iterpref_core.training.model.parity import check_parity

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**_SIZES, initializer_range=0.3)).to(getattr(torch, dtype))
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
    from transformers import AutoModelForCausalLM, MambaConfig

    sizes = {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 1, "state_size": 4}
    return AutoModelForCausalLM.from_config(MambaConfig(**sizes)).float()


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (lambda: _llama(_noisy, vocab_size=400), {}, "two forward passes"),
        (_mamba, {"lora": {"r": 4}, "layout": "padded"}, r"training.lora: .*set training.lora: null"),
    ],
    ids=["noise", "no adapters"],
)
def test_a_stage_begins_with_the_check(
    model: Callable[[], PreTrainedModel], settings: dict[str, Any], message: str, tmp_path: Path, train: Train,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("iterpref_core.training.model.policy.load_base", lambda _: model())
    with pytest.raises(InputError, match=message):
        train("run", "target-rpo", **settings)
    assert not (tmp_path / "run" / "out").exists()
