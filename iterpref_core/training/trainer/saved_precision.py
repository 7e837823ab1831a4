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


def written_dtype(choice: SaveDtype, saved: torch.dtype) -> torch.dtype:
    """Return the precision of a written tensor.

    Args:
        choice: `training.save_dtype`.
        saved: the precision that the tensor has in the checkpoint that training started from.

    >>> written_dtype("auto", torch.bfloat16), written_dtype("float32", torch.bfloat16)
    (torch.bfloat16, torch.float32)
    """
    if choice == "auto" or not saved.is_floating_point:
        return saved
    dtype: torch.dtype = getattr(torch, choice)
    return dtype


def round_weights(
    before: Mapping[str, torch.Tensor], trained: dict[str, torch.Tensor], choice: SaveDtype
) -> tuple[dict[str, torch.Tensor], float]:
    """Return weights as they are written, and the share of their change that rounding left.

    The share is 1 - sum |trained - written| / sum |trained - before|. Weights are taken one after the other into main
    memory, where those from before are: a card holds no further copy of them.

    Args:
        before: the weights that training started from, by name.
        trained: the trained weights; they are taken out.
        choice: `training.save_dtype`.

    >>> before, trained = {"w": torch.tensor([0.5, 0.5])}, {"w": torch.tensor([0.501, 0.503])}
    >>> written, share = round_weights(before, trained, "bfloat16")
    >>> written, round(share, 1)
    ({'w': tensor([0.5000, 0.5039], dtype=torch.bfloat16)}, 0.5)
    """
    written = {}
    change = 0.0
    lost = 0.0
    for name in list(trained):
        # Taken out one by one, so that two copies of all weights never exist.
        exact = trained.pop(name).cpu()
        written[name] = exact
        if name in before:
            start = before[name]
            written[name] = exact.to(written_dtype(choice, start.dtype))
            if exact.is_floating_point():
                change += _distance(exact, start)
                lost += _distance(exact, written[name])
    return written, 1 - lost / change if change else 1.0


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the sum of absolute differences, taken in float32 and added up in double precision."""
    return float((one.float() - other.float()).abs().sum(dtype=torch.float64))


def report_survival(share: float, dtype: torch.dtype) -> None:
    """Warn where rounding took away more of the change than it should."""
    if share < ENOUGH:
        name = str(dtype).removeprefix("torch.")
        logger.warning(
            "only %s of the weights' change survives rounding to %s: the model that is written is not the one whose "
            "rewards were shown; set training.save_dtype: float32 (and inference.bf16: false on a CPU that answers in "
            "bfloat16, or the change is rounded away there), for adapters training.merge: false, or train with a "
            "higher rate or for longer",
            f"{share:.0%}",
            name,
        )
