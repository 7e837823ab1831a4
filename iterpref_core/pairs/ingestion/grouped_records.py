"""Grouped records: records that are kept in a temporary file until all have come, and are read group by group."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from iterpref_core.records import Record


class _Place(NamedTuple):
    """The rank of a record in its group, and its place in the file."""

    rank: int
    offset: int


class GroupedRecords:
    """Records by group, in the order of the groups' first ones; only their places are in memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - `close` ends its life
        self._places: defaultdict[str, list[_Place]] = defaultdict(list)

    def add(self, group: str, record: Record, rank: int = 0) -> None:
        """Keep a record; those of a group are read by their rank, the lowest first."""
        self._places[group].append(_Place(rank, self._file.tell()))
        self._file.write(record.to_json().encode() + b"\n")

    def groups(self) -> Iterator[tuple[str, list[bytes]]]:
        """Yield each group with its records as JSON."""
        for group, places in self._places.items():
            lines = []
            for place in sorted(places):
                self._file.seek(place.offset)
                lines.append(self._file.readline())
            yield group, lines

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
