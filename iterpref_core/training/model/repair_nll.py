"""Measure how foreign the repairs of pairs are to a model: its NLL of D+ beside its NLL of D-."""

from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from accelerate import PartialState

from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records import OBJECTIVES

from ..data.batches import Collator
from ..data.tokenized_dataset import TokenizedDataset
from .label_head import add_label_head
from .reference import score_rows

_SAMPLE = 64
"""Pairs that are scored: a large model on a CPU takes minutes for them."""
_AT_ONCE = 4
_FOREIGN = 1.0
"""Nats a token: the study's own and foreign repairs lie on either side."""


class RepairNll(NamedTuple):
    """The mean NLL of a model, nats a token.

    Attributes:
        repair: of D+, the lines of the chosen programs that the repairs wrote.
        own: of D-, the lines that they replaced: the model's own words, if it wrote the rejected programs.
    """

    repair: float
    own: float

    def describe(self) -> str:
        """Return both numbers, and what their ratio means."""
        return f"{self.repair:.2f} nats a token on D+, {self.own:.2f} on D-: {self.repair / self.own:.1f} times as many"


def measure_repairs(model: Path | str, rows: TokenizedDataset) -> RepairNll | None:
    """Return the NLL of a sample of pairs; None if no pair has both D+ and D-.

    Args:
        model: a folder, or a hub id whose weights are on this machine; nothing is downloaded.
        rows: tokenized pairs with their regions.

    Raises:
        ModelError: the weights are not there, or cannot be used.
    """
    marked = np.flatnonzero(rows.checks["focal_tokens"] > 0).tolist()
    sample = Random(0).sample(marked, min(_SAMPLE, len(marked)))
    processes = PartialState()
    policy = load_model(model, local_files_only=True).to(processes.device)
    add_label_head(policy)
    collator = Collator(OBJECTIVES["dpo"], "padded", pad_token_id=0)
    nlls: dict[str, list[np.ndarray]] = {"repair": [], "own": []}
    for batch in score_rows(policy, policy.config, rows, sample, collator, _AT_ONCE, processes):
        for number, logps in batch:
            pair = rows[number]
            chosen = len(pair.chosen_ids)
            nlls["repair"].append(-logps[:chosen][np.array(pair.focal_chosen, bool)])
            nlls["own"].append(-logps[chosen:][np.array(pair.focal, bool)])
    found = {name: np.concatenate(values) for name, values in nlls.items() if values}
    if not all(map(len, found.values())) or not found:
        return None
    return RepairNll(**{name: float(values.mean()) for name, values in found.items()})
