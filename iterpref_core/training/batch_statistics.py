"""Batch statistics over micro-batches and processes: what a batch consists of, and means over all of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from iterpref_core.training.layouts import Batch, Collator, Pair

PAIRS, NLL_TOKENS, REJECTED_COUNTED, REJECTED_TOKENS = range(4)
"""Places in `counts`: pairs, weights in the NLL, tokens of y- that count in K-, all tokens of y-."""


@dataclass(frozen=True)
class CountingCollator:
    """Adds `counts`, (4,), to the batches of a layout, which lays out no token that counts for nothing.

    The first token of a program without a prompt is predicted by none.

    >>> pair = {"prompt_ids": [5], "chosen_ids": [6, 7], "rejected_ids": [6, 8, 9],
    ...         "chosen_weights": [1, 1], "rejected_weights": [0, 1, 0], "nll_weights": [1, 1],
    ...         "ref_chosen_token_logps": [-0.5, -1.0], "ref_rejected_token_logps": [-0.5, -2.0, -3.0]}
    >>> from iterpref_core.training.layouts import ForkCollator
    >>> CountingCollator(ForkCollator(pad_token_id=0))([pair])["counts"]
    tensor([1., 2., 1., 3.])
    """

    collator: Collator

    def __call__(self, pairs: Sequence[Pair]) -> Batch:
        """See `Collator`."""
        counts = (
            len(pairs),
            sum(sum(pair["nll_weights"][not pair["prompt_ids"] :]) for pair in pairs),
            sum(sum(weight != 0 for weight in pair["rejected_weights"]) for pair in pairs),
            sum(len(pair["rejected_weights"]) for pair in pairs),
        )
        return {**self.collator(pairs), "counts": torch.tensor(counts, dtype=torch.float32)}


class BatchStatistics:
    """Sums and counts of named numbers, kept on the device until their means are asked for.

    >>> tally = BatchStatistics()
    >>> tally.add("nll", torch.tensor(6.0), torch.tensor(2.0))
    >>> tally.add("nll", torch.tensor(3.0), torch.tensor(1.0))
    >>> tally.take_means(lambda sums: sums)
    {'nll': 3.0}
    """

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}

    def add(self, name: str, total: torch.Tensor, count: torch.Tensor) -> None:
        """Add a sum of `count` numbers."""
        item = torch.stack([total.detach().float(), count.float()])
        self._sums[name] = self._sums[name] + item if name in self._sums else item

    def take_means(self, reduce: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
        """The means, and start anew; a name whose count is 0 has none.

        Args:
            reduce: sums a tensor over all processes.
        """
        if not self._sums:
            return {}
        rows = reduce(torch.stack(list(self._sums.values()))).tolist()
        means = {name: total / count for name, (total, count) in zip(self._sums, rows, strict=True) if count}
        self._sums.clear()
        return means
