"""Decoding on a CPU: a key-value cache that grows in steps, rows that leave it, and attention of one new token.

`DynamicCache` copies all of itself for every token, which takes about as long as the attention that reads it. PyTorch's
fused kernel calls a matrix product for every row and head where a batch has one new token each.
"""

from inspect import signature
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

STEP = 64
"""Tokens by which a layer's room grows."""
_NAME = "sdpa_batched_decode"


class _GrowingLayer(DynamicLayer):
    """Holds more room than it uses; `keys` and `values` are views of the used part, (rows, heads, tokens, size)."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append the states of new tokens; returns those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room = [key_states[..., :0, :], value_states[..., :0, :]]
        held = self.get_seq_length()
        total = held + key_states.shape[-2]
        if total > self._room[0].shape[-2]:
            self._room = [_grown(room, held, total + STEP) for room in self._room]
        for room, new in zip(self._room, (key_states, value_states), strict=True):
            room[..., held:total, :] = new
        self.keys, self.values = (room[..., :total, :] for room in self._room)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows alone."""
        held = self.get_seq_length()
        self._room = [room[indices] for room in self._room]
        self.keys, self.values = (room[..., :held, :] for room in self._room)


def _grown(room: torch.Tensor, held: int, size: int) -> torch.Tensor:
    larger = room.new_empty((*room.shape[:-2], size, room.shape[-1]))
    larger[..., :held, :] = room[..., :held, :]
    return larger


def growing_cache(model: PreTrainedModel) -> DynamicCache | None:
    """An empty cache for one batch, from which rows can leave.

    None where a layer keeps a recurrent state, or the model has a cache of another kind or none: it makes its own.
    """
    cache = DynamicCache(config=model.config)
    known = all(type(layer) in {DynamicLayer, DynamicSlidingWindowLayer} for layer in cache.layers)
    if not known or "past_key_values" not in signature(model.forward).parameters:
        return None
    cache.layers = [_GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    position_bias: torch.Tensor | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention, as transformers calls it.

    Shapes: query (rows, heads, 1, size), key and value (rows, key heads, tokens, size), attention_mask (rows, 1, 1,
    tokens), true where a token is seen, or None for all; result (rows, 1, heads, size). All else is PyTorch's to do.
    """
    plain = position_bias is None and (attention_mask is None or attention_mask.dtype == torch.bool)
    if query.shape[2] > 1 or scaling is None or not plain:
        options |= {"scaling": scaling, "position_bias": position_bias}
        attended: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **options
        )
        return attended
    rows, heads, _, size = query.shape
    key_heads = key.shape[1]
    queries = query.reshape(rows * key_heads, heads // key_heads, size) * scaling  # of the heads that share a key
    scores = torch.bmm(queries, key.flatten(0, 1).transpose(1, 2)).view(rows, heads, 1, -1)
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1).view(rows * key_heads, heads // key_heads, -1)
    return torch.bmm(weights, value.flatten(0, 1)).view(rows, 1, heads, -1), None


def use_decode_attention(model: PreTrainedModel) -> PreTrainedModel:
    """Let a model on a CPU that uses PyTorch's attention attend so when it generates; returns the model."""
    if model.device.type == "cpu" and model.config._attn_implementation == "sdpa":  # noqa: SLF001 - there is no other way to ask
        AttentionInterface.register(_NAME, _attend)
        AttentionMaskInterface.register(_NAME, sdpa_mask)
        model.set_attn_implementation(_NAME)
    return model
