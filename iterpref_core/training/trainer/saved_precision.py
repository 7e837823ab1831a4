"""Round trained weights as they are written, and measure how much of their change survives.

A bfloat16 has eight significant bits. Between 0.5 and 1 its neighbors are 1/256 apart, so a change by less than 1/512
is rounded to none:

    before 0.5000    trained 0.5010    written 0.5000    lost: all of 0.0010
    before 0.5000    trained 0.5030    written 0.5039    lost: 0.0009 of 0.0030
"""

import logging
from collections.abc import Mapping

import torch

from iterpref_core.records import SaveDtype

logger = logging.getLogger(__name__)

ENOUGH = 0.9
"""Warn if less than this share of the training's change survives rounding."""
_TOO_LITTLE = 0.5
"""With less, `save_dtype: auto` writes float32."""
_ADVICE = (
    "the model that is written is not the one whose rewards were shown; set training.save_dtype: float32 (and "
    "inference.bf16: false on a CPU that answers in bfloat16, or the change is rounded away there), for adapters "
    "training.merge: false, or train with a higher rate or for longer"
)


def _written_dtype(choice: SaveDtype, saved: torch.dtype) -> torch.dtype:
    """Return the precision of a written tensor that the start has in the precision `saved`."""
    if choice == "auto" or not saved.is_floating_point:
        return saved
    return getattr(torch, choice)  # type: ignore[no-any-return]


def round_weights(
    before: Mapping[str, torch.Tensor], trained: dict[str, torch.Tensor], choice: SaveDtype
) -> tuple[dict[str, torch.Tensor], float]:
    """Return weights as they are written, and the share of their change that rounding left.

    The share is 1 - sum |trained - written| / sum |trained - before|. With `auto` weights are written in float32 where
    most of the change would be lost otherwise. They are taken one after the other into main memory, where those from
    before are: a card holds no further copy of them.

    Args:
        before: the weights that training started from, by name.
        trained: the trained weights; they are taken out.
        choice: `training.save_dtype`.

    >>> before, trained = {"w": torch.tensor([0.5, 0.5])}, {"w": torch.tensor([0.501, 0.503])}
    >>> written, share = round_weights(before, trained, "bfloat16")
    >>> written, round(share, 1)
    ({'w': tensor([0.5000, 0.5039], dtype=torch.bfloat16)}, 0.5)
    """
    share = _surviving_share(before, trained, choice)
    advice = _ADVICE
    left = share
    if choice == "auto" and share < _TOO_LITTLE:
        advice = "so float32 is written, twice as large; on a CPU that answers in bfloat16 set inference.bf16: false"
        choice = "float32"
        left = 1.0
    if share < ENOUGH:
        logger.warning("only %s of the weights' change survives rounding: %s", f"{share:.0%}", advice)
    written = {}
    for name in list(trained):
        # Taken out one by one, so that two copies of all weights never exist.
        exact = trained.pop(name).cpu()
        written[name] = exact.to(_written_dtype(choice, before.get(name, exact).dtype))
    return written, left


def _surviving_share(
    before: Mapping[str, torch.Tensor], trained: Mapping[str, torch.Tensor], choice: SaveDtype
) -> float:
    change = 0.0
    lost = 0.0
    for name, start in before.items():
        if name in trained and start.is_floating_point():
            exact = trained[name].cpu()
            change += _distance(exact, start)
            lost += _distance(exact, exact.to(_written_dtype(choice, start.dtype)))
    return 1 - lost / change if change else 1.0


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the sum of absolute differences, taken in float32 and added up in double precision."""
    return float((one.float() - other.float()).abs().sum(dtype=torch.float64))
