"""Count the records of a file that seem to hold keys, passwords or e-mail addresses."""

from collections import Counter
from collections.abc import Iterator

from iterpref_core.programs.source_code.private_data import find_private_in
from iterpref_core.records import Record

_SHOWN = 3


class PrivateDataCount:
    """The records in which something was found.

    Args:
        product: `pairs` or `problems`, for the sentences.

    Attributes:
        counts: `private/<reason>` → number of records.
    """

    def __init__(self, product: str) -> None:
        self._product = product
        self.counts: Counter[str] = Counter()
        self._examples: list[str] = []

    def add(self, name: str, record: Record) -> None:
        """Look into a record."""
        found = find_private_in(record)
        if found is not None:
            self.counts[f"private/{found.reason}"] += 1
            if len(self._examples) < _SHOWN:
                self._examples.append(f"{name} holds {found}")

    def findings(self) -> Iterator[str]:
        """Yield a sentence with examples, if something was found."""
        if self._examples:
            yield (
                f"{self.counts.total()} {self._product} seem to hold private data, such as "
                f"{', '.join(self._examples)}: remove them, or ingest them again, which leaves such rows out"
            )
