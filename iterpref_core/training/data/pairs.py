"""Read the pairs of a training from their file."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from iterpref_core.records import InputError, PreferencePair
from iterpref_core.storage.digests import file_digest
from iterpref_core.storage.jsonl import read_pairs


class PairReader:
    """A reader of pairs; a pair that has no region yet has an empty one here.

    Attributes:
        methods: names of the methods of localization, once all are read.
    """

    def __init__(self, pairs: Path) -> None:
        self.methods: set[str] = set()
        self._pairs = pairs

    @cached_property
    def digests(self) -> dict[str, str]:
        """MD5 of the file, as DVC records it."""
        return {"pairs": file_digest(self._pairs, "md5")}

    def __iter__(self) -> Iterator[PreferencePair]:
        """Yield the pairs in the file's order.

        Raises:
            RecordError: a line is broken.
            InputError: there are none.
        """
        pair = None
        for pair in read_pairs(self._pairs):
            if pair.rejected_spans is not None:
                self.methods.add(pair.localization or "given")
            yield pair
        if pair is None:
            raise InputError(
                f"{self._pairs}: no pair to train on; fixes that only insert lines are dropped or kept by "
                "localization.empty"
            )
