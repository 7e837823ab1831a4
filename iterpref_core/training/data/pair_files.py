"""Pair files: pairs and their error regions, from two files that are each digested once and read once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError, RecordError
from iterpref_core.models.chat_template import ChatTemplate
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import check_spans, read_jsonl, read_pairs
from iterpref_core.training.data.tokenization import PairForm, tokenize_pairs
from iterpref_core.training.data.tokenized_pair import TokenizedPair


@dataclass(frozen=True)
class PairFiles:
    """The files of a training's data.

    Attributes:
        pairs: JSONL of preference pairs.
        spans: JSONL of error regions.
        digests: MD5 of `pairs` and of `spans`, by which DVC knows them.
    """

    pairs: Path
    spans: Path
    digests: Mapping[str, str]


def digest_files(pairs: Path, spans: Path) -> PairFiles:
    """Return both files with their digests.

    Raises:
        OSError: a file cannot be read.
    """
    digests = {
        "pairs": file_digest(pairs, "md5"),
        "spans": file_digest(spans, "md5"),
    }
    return PairFiles(pairs, spans, digests)


class PairReader:
    """A reader of the pairs that have spans, in one pass over both files.

    Attributes:
        without_spans: number of pairs without a record of their error region, once all are read.
        methods: names of the methods of localization, once all are read.
    """

    def __init__(self, pairs: Path, spans: Path) -> None:
        self._pairs = pairs
        self._spans = spans
        self.without_spans = 0
        self.methods: set[str] = set()

    def __iter__(self) -> Iterator[tuple[PreferencePair, FocalSpans]]:
        """Yield each pair with its spans, in the order of the spans, which follow the order of the pairs.

        Raises:
            RecordError: spans name a pair that is not there or comes earlier, or lie outside of its text.
        """
        remaining = read_pairs(self._pairs)
        for marked in read_jsonl(self._spans, FocalSpans, unique=True):
            yield self._next_pair(remaining, marked), marked
        self.without_spans += sum(1 for _ in remaining)

    def _next_pair(self, remaining: Iterator[PreferencePair], marked: FocalSpans) -> PreferencePair:
        """Return the pair of a record of spans; those before it have none."""
        self.methods.add(marked.method)
        for pair in remaining:
            if pair.task_id == marked.task_id:
                check_spans(marked, pair, self._spans)
                return pair
            self.without_spans += 1
        raise RecordError(
            f"{self._spans}: field 'task_id': {marked.task_id!r} is not in {self._pairs} or not in its order; "
            "localize these pairs again"
        )

    def tokenize(self, template: ChatTemplate, form: PairForm | TrainingParams) -> Iterator[TokenizedPair]:
        """Yield the pairs that have spans, tokenized.

        Raises:
            InputError: there is no pair, or `max_length` leaves no room for programs.
        """
        rows = tokenize_pairs(self, template, form)
        first = next(rows, None)
        if first is None:
            raise InputError(
                f"{self._spans}: no pair to train on: localization kept none; fixes that only insert lines are dropped "
                "or kept by localization.empty"
            )
        yield first
        yield from rows
