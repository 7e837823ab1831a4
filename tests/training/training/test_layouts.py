"""Both layouts compute the same, and the fork computes less."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoConfig

from iterpref_core.records import OBJECTIVES
from iterpref_core.training.data.batches import Collator, pack
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.attention import FLEX_IN_AUTOCAST, attention_mask, dense_mask, flex_in_autocast
from iterpref_core.training.model.unseen import against_fork
from tests.architectures import build_small

TOKENS = st.integers(3, 60)


def _collate(layout, rows, multiple=1):
    return Collator(OBJECTIVES["target-dpo"], layout, 0, multiple, unscored=True)(rows)


_fork, _padded = (partial(_collate, layout) for layout in ("fork", "padded"))


def _pair(prompt, chosen, rejected, focal):
    return TokenizedPair(prompt, chosen, rejected, focal, [0] * len(chosen))


@st.composite
def pairs(draw):
    """Pairs that share a beginning of any length, the whole of one program included."""
    shared = draw(st.lists(TOKENS, max_size=6))
    chosen, rejected = ((shared + draw(st.lists(TOKENS, max_size=6))) or [5] for _ in range(2))
    focal = draw(st.lists(st.sampled_from([0, 1]), min_size=len(rejected), max_size=len(rejected)))
    marks = draw(st.sampled_from([focal, [1] * len(rejected), [0] * len(rejected)]))
    return _pair(draw(st.lists(TOKENS, max_size=5)), chosen, rejected, marks)


@pytest.fixture(scope="module")
def precise():
    """GPT-2 computes all of it in float64; Llama's norms are in float32. To it a place counts, not a distance alone."""
    return build_small("gpt2").double().eval()


def _weighted_sums(model, batch):
    """(3, pairs): sums of log-probabilities weighted by w+, w- and v, of which the loss is made, from plain logits."""
    mask = batch["attention_mask"] if "attention_mask" in batch else dense_mask(batch["visible"])
    inputs = {name: batch[name] for name in ("input_ids", "position_ids")}
    logits = model(**inputs, attention_mask=mask, use_cache=False).logits
    logps = logits.flatten(0, 1)[batch["label_positions"]].log_softmax(dim=-1)
    labeled = logps.gather(1, batch["labels"][:, None])[:, 0]
    weights = torch.stack([batch[name] for name in ("w_chosen", "w_rejected", "w_nll")])
    return logps.new_zeros(3, len(batch["counts"])).index_add(1, batch["pair"], labeled * weights)


def _gradient(model, sums):
    """The gradient of a sum with a factor for every pair and kind of weight."""
    factors = torch.linspace(0.5, 1.5, sums.numel(), dtype=torch.float64).view(sums.shape)
    gradients = torch.autograd.grad((sums * factors).sum(), list(model.parameters()), materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients])


@given(batch=st.lists(pairs(), min_size=1, max_size=6), multiple=st.sampled_from([1, 8]))
def test_packed_forks_and_padded_rows_are_the_same_sums_and_gradients(precise, batch, multiple):
    sums = [_weighted_sums(precise, collate(batch, multiple)) for collate in (_fork, _padded)]
    torch.testing.assert_close(*sums, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(*(_gradient(precise, each) for each in sums), rtol=1e-9, atol=1e-9)


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    multiple=st.sampled_from([1, 8, 32]),
    on_gpu=st.booleans(),
)
def test_packing_puts_every_piece_somewhere_of_its_own(lengths, multiple, on_gpu):
    width, placements = pack(lengths, multiple, hidden_is_free=on_gpu)
    assert width % multiple == 0
    taken = [
        (row, slot) for (row, start), n in zip(placements, lengths, strict=True) for slot in range(start, start + n)
    ]
    assert len(set(taken)) == sum(lengths)
    assert max(slot for _, slot in taken) < width
    assert {row for row, _ in taken} == set(range(1 + max(row for row, _ in taken))), "no row is empty"


def test_where_hidden_positions_are_free_rows_are_as_full_as_they_can_be():
    """Two pairs of 900 and 700 tokens: a CPU computes two rows of 912, a GPU a row of 1600."""
    assert pack([900, 700], 16) == (912, [(0, 0), (1, 0)])
    assert pack([900, 700], 16, hidden_is_free=True) == (1600, [(0, 0), (0, 900)])


def test_float32_queries_are_cast_where_autocast_is_on(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "iterpref_core.training.model.attention.flex_attention_forward",
        lambda _, *given, **__: seen.append([each.dtype for each in given[:3]]),
    )
    vectors = [torch.zeros(1, 2, 16, 8) for _ in range(3)]
    with torch.autocast("cpu", torch.bfloat16):
        flex_in_autocast(torch.nn.Module(), *vectors, None)
    flex_in_autocast(torch.nn.Module(), *vectors, None)
    assert seen == [[torch.bfloat16] * 3, [torch.float32] * 3]
    visible = _fork([_pair([7] * 4, [5, 6], [5, 8], [0, 1])], 16)["visible"]
    assert isinstance(attention_mask(visible, FLEX_IN_AUTOCAST), BlockMask)


@pytest.mark.filterwarnings("ignore:(?s).*flex_attention called without torch.compile:UserWarning")
def test_flex_attention_sees_what_sdpa_sees():
    batch = [_pair([7] * 40, list(range(3, 20 + n)), [*range(3, 9), 50, 51], [0] * 6 + [1, 1]) for n in range(3)]
    visible = _fork(batch, 32)["visible"]
    rows, width, _ = visible.shape
    query, key, value = torch.randn(3, rows, 1, width, 16, dtype=torch.float64).unbind()
    mask = attention_mask(visible, "flex_attention")
    assert isinstance(mask, BlockMask)
    # Without compilation: the reference implementation of the operator, which is enough to see that the mask is right.
    flexible = flex_attention(query, key, value, block_mask=mask)
    plain = scaled_dot_product_attention(query, key, value, attn_mask=dense_mask(visible))
    torch.testing.assert_close(flexible, plain)


@pytest.mark.parametrize(
    ("model_type", "settings", "window"),
    [
        ("qwen2", {"sliding_window": 8, "use_sliding_window": False}, ""),
        ("gpt_neo", {"window_size": 8}, "window_size: 8"),
        ("llama4_text", {"attention_chunk_size": 8}, "attention_chunk_size: 8"),
    ],
)
def test_a_layer_that_sees_less_than_a_pair_is_known_by_its_setting(model_type, settings, window):
    assert against_fork(AutoConfig.for_model(model_type, **settings), 9) == window
