"""Half batches: the order of pairs whose objective treats one half of every batch differently."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from torch.utils.data import Sampler

from iterpref_core.training.data.tokenized_pair import TokenizedPair


class BothHalves(Sequence[TokenizedPair]):
    """All pairs twice: first for the half of a batch that counts whole programs, then for the half of error regions.

    `AlternatingSampler` draws one of a pair's two.
    """

    def __init__(self, rows: Sequence[TokenizedPair]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return 2 * len(self._rows)

    def __getitem__(self, index: int) -> TokenizedPair:  # type: ignore[override]  # nobody takes slices
        half, row = divmod(index, len(self._rows))
        return replace(self._rows[row], half=half)


class AlternatingSampler(Sampler[int]):
    """Draws every pair once an epoch, by turns from the first and from the second half of `BothHalves`.

    Any even number of draws in a row has as many of one half as of the other. So has any even batch, however the batch
    is spread over accumulation steps and processes. Every epoch shuffles anew which pair is drawn from which half.

    Args:
        pairs: half the size of the data set.
        seed: decides all epochs.
    """

    def __init__(self, pairs: int, seed: int) -> None:
        self._pairs = pairs
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; the trainer calls this, so that a resumed run draws the same."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._pairs

    def __iter__(self) -> Iterator[int]:
        # Of three pairs, which are 0 1 2 in the first half and 3 4 5 in the second, the order 2 0 1 draws 2 3 1.
        order = Random(f"{self._seed}/{self._epoch}").sample(range(self._pairs), self._pairs)
        for position, pair in enumerate(order):
            half = position % 2
            yield pair + self._pairs * half
