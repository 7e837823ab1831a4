"""Both layouts compute the same, and the fork computes less."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, MambaConfig, MistralConfig, PreTrainedModel

from iterpref_core.errors import ConfigError
from iterpref_core.training.layouts import Batch, ForkCollator, PaddedCollator, check_fork

TOKENS = st.integers(3, 60)
PROGRAM = st.lists(TOKENS, min_size=1, max_size=8)


@st.composite
def pairs(draw: st.DrawFn) -> dict[str, list[float]]:
    """Pairs that share a beginning of any length, the whole of one program included."""
    shared = draw(st.lists(TOKENS, max_size=6))
    chosen, rejected = ((shared + draw(st.lists(TOKENS, max_size=6))) or [5] for _ in range(2))
    focal = draw(st.lists(st.sampled_from([0, 1]), min_size=len(rejected), max_size=len(rejected)))
    return {
        "prompt_ids": draw(st.lists(TOKENS, max_size=5)),
        "chosen_ids": chosen,
        "rejected_ids": rejected,
        "chosen_weights": [1] * len(chosen),
        "rejected_weights": draw(st.sampled_from([focal, [1] * len(rejected), [0] * len(rejected)])),
        "nll_weights": [1] * len(chosen),
        "ref_chosen_token_logps": [0.0] * len(chosen),
        "ref_rejected_token_logps": [0.0] * len(rejected),
    }


@pytest.fixture(scope="module")
def model(model_folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float64).eval()


def _sums(model: PreTrainedModel, batch: Batch, pairs: int) -> torch.Tensor:
    """(3, pairs): the weighted sums of log-probabilities that the loss is made of."""
    inputs = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask")}
    logits = model(**inputs, use_cache=False).logits
    logps = logits.log_softmax(dim=-1).gather(2, batch["targets"][..., None]).squeeze(2)
    names = ("chosen_weights", "rejected_weights", "nll_weights")
    return torch.stack([(logps * batch[name]).sum(dim=1).view(-1, pairs).sum(dim=0) for name in names])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(pairs(), min_size=1, max_size=4), multiple=st.sampled_from([1, 8]))
@torch.no_grad()
def test_fork_and_padded_are_the_same_sums(
    model: PreTrainedModel, batch: list[dict[str, list[float]]], multiple: int
) -> None:
    forked = _sums(model, ForkCollator(0, multiple)(batch), len(batch))
    padded = _sums(model, PaddedCollator(0, True, multiple)(batch), len(batch))
    torch.testing.assert_close(forked, padded, rtol=1e-9, atol=1e-9)


def test_the_fork_leaves_out_what_is_shared_and_what_does_not_count() -> None:
    pair = {
        "prompt_ids": list(range(10, 20)),
        "chosen_ids": [1, 2, 3, 4, 5, 6, 7, 8],
        "rejected_ids": [1, 2, 3, 9, 5, 6, 7, 8],
        "chosen_weights": [1] * 8,
        "rejected_weights": [0, 0, 0, 1, 1, 0, 0, 0],
        "nll_weights": [1] * 8,
        "ref_chosen_token_logps": [0.0] * 8,
        "ref_rejected_token_logps": [0.0] * 8,
    }
    assert ForkCollator(0)([pair])["input_ids"].tolist() == [[*range(10, 20), 1, 2, 3, 4, 5, 6, 7, 3, 9]]
    assert PaddedCollator(0, True)([pair])["input_ids"].numel() == 34


def test_models_that_cannot_fork_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"needs attention in every layer, and not linear_attention; set train\.layout: padded"
    ):
        check_fork(MambaConfig(), 10)
    window = MistralConfig(sliding_window=8)
    window._attn_implementation = "sdpa"
    check_fork(window, 8)
    with pytest.raises(ConfigError, match="the longest pair has 9 tokens and the model's window 8"):
        check_fork(window, 9)
    window._attn_implementation = "flash_attention_2"
    with pytest.raises(ConfigError, match="the model has flash_attention_2"):
        check_fork(window, 8)
    mixed = SimpleNamespace(
        get_text_config=lambda: SimpleNamespace(layer_types=["linear_attention"], num_attention_heads=1)
    )
    with pytest.raises(ConfigError, match="and not linear_attention"):
        check_fork(mixed, 1)  # type: ignore[arg-type]
