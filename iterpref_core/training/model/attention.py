"""Attention masks for rows of several pairs, in the form that each implementation takes."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, cast

import torch
from torch.nn.attention.flex_attention import (
    BlockMask,
    _mask_mod_signature,
    create_block_mask,
)
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.flex_attention import flex_attention_forward

FLEX_IN_AUTOCAST = "flex_attention_in_autocast"
"""The name of `flex_in_autocast` among transformers' attention implementations."""
_COMPILED_FORMS = 64
"""PyTorch compiles a kernel for this many kinds of masks, and goes on without a kernel afterwards."""

_SHORT = 512
"""Up to this many tokens a pair, a CPU computes plain matrix products faster than its fused kernel.

The kernel computes the scores again in the backward pass: in bfloat16 plain products are faster by a third at 256
tokens, by a fifth at 480, and slower at 1,024."""


def mask_function(visible: torch.Tensor) -> _mask_mod_signature:
    """Return who sees whom, as a function of indices, which `flex_attention` compiles into its kernel.

    Args:
        visible: (R, N, 3), of every position (start, end, suffix): it sees the positions [start, end) and those from
            `suffix` up to itself.
    """
    start = visible[..., 0].contiguous()
    end = visible[..., 1].contiguous()
    suffix = visible[..., 2].contiguous()

    def sees(
        row: torch.Tensor,
        _head: torch.Tensor,
        query: torch.Tensor,
        key: torch.Tensor,
    ) -> torch.Tensor:
        # The rejected suffix at the positions 4 and 5 of a row, which sees 0 and 1 of its prefix, has (0, 2, 4):
        # position 5 sees 0 and 1 as shared ones, and 4 and 5 as its own.
        shared = (key >= start[row, query]) & (key < end[row, query])
        of_suffix = (key >= suffix[row, query]) & (key <= query)
        return shared | of_suffix

    return sees


def dense_mask(visible: torch.Tensor) -> torch.Tensor:
    """Return who sees whom as booleans, (R, 1, N, N), true where the row's position sees the column's.

    >>> dense_mask(torch.tensor([[[0, 0, 0], [0, 0, 0], [0, 1, 2]]])).int()
    tensor([[[[1, 0, 0],
              [1, 1, 0],
              [1, 0, 1]]]], dtype=torch.int32)
    """
    # The function is called once, for all rows, heads (one represents all), asking and asked positions at once.
    rows = torch.arange(visible.shape[0], device=visible.device)
    positions = torch.arange(visible.shape[1], device=visible.device)
    return mask_function(visible)(rows[:, None, None, None], rows[0], positions[:, None], positions)


def attention_mask(visible: torch.Tensor, implementation: str) -> torch.Tensor | BlockMask:
    """Return the mask as a model's attention takes it.

    Given as four-dimensional, transformers hands it to every layer as it is, those with a sliding window included.

    Args:
        visible: as for `mask_function`.
        implementation: `sdpa`, `eager`, `flex_attention` or `FLEX_IN_AUTOCAST`.
    """
    if implementation in ("flex_attention", FLEX_IN_AUTOCAST):
        rows, width, _ = visible.shape
        return _block_mask_maker()(
            mask_function(visible),
            rows,
            None,
            width,
            width,
            device=visible.device,
        )
    # Without flex attention every score of a layer has its place in the mask.
    mask = dense_mask(visible)
    if implementation == "eager":  # which adds its mask to the scores
        return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, torch.finfo(torch.float32).min)
    return mask


@cache
def _block_mask_maker() -> Callable[..., BlockMask]:
    """Return PyTorch's function for block masks, compiled on a GPU: 0.6 ms a batch there instead of 7.4."""
    if torch.cuda.is_available():
        return cast(
            "Callable[..., BlockMask]",
            torch.compile(create_block_mask, dynamic=True),
        )
    return create_block_mask


def flex_in_autocast(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **kwargs: Any
) -> Any:
    """Compute transformers' flex attention in the precision of autocast, which does not reach its kernel."""
    device = query.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else query.dtype
    return flex_attention_forward(module, query.to(dtype), key.to(dtype), value.to(dtype), *args, **kwargs)


AttentionInterface.register(FLEX_IN_AUTOCAST, flex_in_autocast)


def choose_attention(model: PreTrainedModel, longest: int) -> None:
    """Set the attention that takes a given mask and trains fastest on this device.

    On a GPU `flex_attention` skips the hidden part of a mask. PyTorch compiles its kernel for each kind of mask, with
    gradients and without, for one row and for several. Beyond `_COMPILED_FORMS` kinds PyTorch would go on without the
    kernel, and make all scores of a layer at once.

    Weights in float32 get `sdpa` on a GPU: the kernel of heads of 128 float32 numbers does not fit into shared memory.
    Under autocast the trainer then tries `flex_in_autocast`. On a CPU `flex_attention` has no backward pass.

    Args:
        model: the model to change.
        longest: the tokens of the longest prompt and program.
    """
    # On a CPU plain products for short pairs, else the model's own kernel.
    if not torch.cuda.is_available():
        implementation = "eager" if longest <= _SHORT else None
    else:
        torch.compiler.config.recompile_limit = max(_COMPILED_FORMS, torch.compiler.config.recompile_limit)
        implementation = "flex_attention" if model.dtype in (torch.bfloat16, torch.float16) else "sdpa"
    if implementation is not None:
        # A model without this kernel keeps its own, and `parity` finds whether that is exact.
        with suppress(ValueError):
            model.set_attn_implementation(implementation)
