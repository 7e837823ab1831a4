"""Quantized matrices without numbers, for the estimate: they take the memory that bitsandbytes takes.

A quantized matrix is held in 4 or 8 bits. Each product with it makes the whole matrix in the precision of its input
for a moment, in the forward pass and again in the backward pass, and keeps none of it in between.
"""

from typing import Any

import torch
from torch.nn.functional import linear

BYTES_PER_WEIGHT = {"8bit": 1.0, "4bit": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Four bits: a constant of 8 bits for each 64 weights, and one of 32 bits for each 256 of those (arXiv 2305.14314)."""


class _Product(torch.autograd.Function):
    """inputs @ weight.T with a weight that is made when it is needed."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        ctx.shape = shape
        return linear(inputs, inputs.new_empty(shape))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient @ gradient.new_empty(ctx.shape), None


class QuantizedLinear(torch.nn.Linear):
    """A linear layer whose weight is bytes.

    Args:
        layer: the layer that is to be quantized.
        form: `8bit` or `4bit`.
    """

    def __init__(self, layer: torch.nn.Linear, form: str) -> None:
        torch.nn.Module.__init__(self)
        self.in_features = layer.in_features
        self.out_features = layer.out_features
        size = round(layer.weight.numel() * BYTES_PER_WEIGHT[form])
        held = torch.empty(size, dtype=torch.uint8, device=layer.weight.device)
        self.weight = torch.nn.Parameter(held, requires_grad=False)
        self.bias = layer.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (..., out_features)."""
        kind = inputs.device.type
        if torch.is_autocast_enabled(kind):
            inputs = inputs.to(torch.get_autocast_dtype(kind))
        product: torch.Tensor = _Product.apply(inputs, (self.out_features, self.in_features))
        return product if self.bias is None else product + self.bias.to(product.dtype)


def quantize_without_numbers(model: torch.nn.Module, head: torch.nn.Module, form: str) -> None:
    """Put a `QuantizedLinear` in the place of every linear layer but the output head, as transformers does."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is torch.nn.Linear and layer is not head:
                setattr(parent, name, QuantizedLinear(layer, form))
