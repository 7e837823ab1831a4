"""Key-value cache that grows by chunks, and that rows can leave.

`DynamicCache` copies all of itself for every token, which takes about as long as the attention that reads it.
"""

from inspect import signature
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

CHUNK = 64
"""Tokens by which a layer's room grows."""


class _ChunkedLayer(DynamicLayer):
    """A layer with spare room; `keys` and `values` are views of the used part, (rows, heads, tokens, size)."""

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        *_: Any,
        **__: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append the states of new tokens; returns those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room = [key_states[..., :0, :], value_states[..., :0, :]]
        held = self.get_seq_length()
        total = held + key_states.shape[-2]
        # After a prompt of 100 tokens there is room for 164, so that the next 64 tokens copy nothing.
        if total > self._room[0].shape[-2]:
            self._room = [_grown(room, held, total + CHUNK) for room in self._room]
        for room, new in zip(self._room, (key_states, value_states), strict=True):
            room[..., held:total, :] = new
        keys, values = self._room
        self.keys = keys[..., :total, :]
        self.values = values[..., :total, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows alone."""
        held = self.get_seq_length()
        self._room = [room[indices] for room in self._room]
        keys, values = self._room
        self.keys = keys[..., :held, :]
        self.values = values[..., :held, :]


def _grown(room: torch.Tensor, held: int, size: int) -> torch.Tensor:
    larger = room.new_empty((*room.shape[:-2], size, room.shape[-1]))
    larger[..., :held, :] = room[..., :held, :]
    return larger


def chunked_cache(model: PreTrainedModel) -> DynamicCache | None:
    """Return an empty cache for one batch, from which rows can leave.

    None if a layer keeps a recurrent state, or the model has another kind of cache or none: it makes its own.
    """
    cache = DynamicCache(config=model.config)
    known = all(type(layer) in {DynamicLayer, DynamicSlidingWindowLayer} for layer in cache.layers)
    if not known or "past_key_values" not in signature(model.forward).parameters:
        return None
    cache.layers = [_ChunkedLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
