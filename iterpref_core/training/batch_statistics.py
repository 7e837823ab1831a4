"""Batch statistics over micro-batches and processes: means over all of a batch."""

from collections.abc import Callable

import torch


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
