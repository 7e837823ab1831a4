"""Find layers that see less than a whole pair, and the lengths of pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Subset
from transformers import PreTrainedConfig

from iterpref_core.training.data.tokenized_dataset import TokenizedDataset
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.unseen import SEES


def narrow_window(config: PreTrainedConfig, longest: int) -> str:
    """Return the setting that lets some layer see less than a whole pair; empty if all see it.

    The mask of a row with a shared prefix takes the place of a layer's own.

    Args:
        config: the model's.
        longest: the tokens of the longest prompt and program.

    >>> narrow_window(PreTrainedConfig(sliding_window=8), 9), narrow_window(PreTrainedConfig(sliding_window=9), 9)
    ('sliding_window: 8', '')
    """
    for name, value in vars(config.get_text_config()).items():
        if type(value) is int and 0 < value < longest and SEES.search(name):
            return f"{name}: {value}"
    return ""


def lengths(rows: Sequence[TokenizedPair] | Subset[TokenizedPair] | Any) -> np.ndarray:
    """Return the tokens of each prompt with its longer program, (pairs,); of a subset, of all that it is of."""
    if isinstance(rows, Subset):
        return lengths(rows.dataset)
    if isinstance(rows, TokenizedDataset):
        return rows.lengths
    return np.array([row.length for row in rows], np.int64)


def longest_pair(rows: Sequence[TokenizedPair] | Subset[TokenizedPair] | Any) -> int:
    """Return the tokens of the longest prompt and program among all pairs; of a subset, among all that it is of."""
    return int(lengths(rows).max(initial=0))
