"""Read the pairs of a training from their files, each with its spans."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from iterpref_core.records import FocalSpans, InputError, PreferencePair, RecordError
from iterpref_core.storage.digests import file_digest
from iterpref_core.storage.jsonl import check_spans, read_jsonl, read_pairs


class PairReader:
    """A reader of the pairs that have spans.

    Attributes:
        without_spans: number of pairs without a record of their error region, once all are read.
        methods: names of the methods of localization, once all are read.
    """

    def __init__(self, pairs: Path, spans: Path) -> None:
        self.methods: set[str] = set()
        self.without_spans = 0
        self._pairs = pairs
        self._spans = spans

    @cached_property
    def digests(self) -> dict[str, str]:
        """MD5 of each file, as DVC records it."""
        return {"pairs": file_digest(self._pairs, "md5"), "spans": file_digest(self._spans, "md5")}

    def __iter__(self) -> Iterator[tuple[PreferencePair, FocalSpans]]:
        """Yield each pair with its spans, in the order of the spans, which follow the order of the pairs.

        Raises:
            RecordError: spans name a pair that is not there or comes earlier, or lie outside of its text.
            InputError: no pair has spans.
        """
        marked = None
        remaining = read_pairs(self._pairs)
        for marked in read_jsonl(self._spans, FocalSpans, unique=True):
            yield self._next_pair(remaining, marked), marked
        if marked is None:
            raise InputError(
                f"{self._spans}: no pair to train on: localization kept none; fixes that only insert lines are dropped "
                "or kept by localization.empty"
            )
        self.without_spans += sum(1 for _ in remaining)

    def _next_pair(self, remaining: Iterator[PreferencePair], marked: FocalSpans) -> PreferencePair:
        """Return the pair of a record of spans; those before it have none."""
        self.methods.add(marked.method)
        # Both files are in one order, so pairs that are passed over have no spans.
        for pair in remaining:
            if pair.task_id == marked.task_id:
                check_spans(marked, pair, self._spans)
                return pair
            self.without_spans += 1
        raise RecordError(
            f"{self._spans}: field 'task_id': {marked.task_id!r} is not in {self._pairs} or not in its order; "
            "localize these pairs again"
        )
