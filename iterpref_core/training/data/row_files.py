"""Row files: the files of a training, each digested once and read once; pairs and their error regions are two."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import check_spans, read_jsonl, read_pairs
from iterpref_core.training.data.tokenization import tokenize_pairs
from iterpref_core.training.data.tokenized_pair import TokenizedPair


class RowReader(ABC):
    """A reader of the rows of a training from its files.

    Args:
        **files: name → file.

    Attributes:
        noun: the word for rows in messages and metrics.
        without_spans: number of pairs without a record of their error region, once all are read.
        methods: names of the methods of localization, once all are read.
    """

    noun: str

    def __init__(self, **files: Path) -> None:
        self._files = files
        self.without_spans = 0
        self.methods: set[str] = set()

    @cached_property
    def digests(self) -> dict[str, str]:
        """MD5 of each file, by which DVC knows it."""
        return {name: file_digest(path, "md5") for name, path in self._files.items()}

    @abstractmethod
    def form(self, params: TrainingParams) -> dict[str, object]:
        """Return the settings that decide the rows."""

    @abstractmethod
    def tokenize(self, template: ChatTemplate, params: TrainingParams) -> Iterator[TokenizedPair]:
        """Yield the rows, in one pass over the files."""


class PairReader(RowReader):
    """A reader of the pairs that have spans."""

    noun = "pairs"

    def __init__(self, pairs: Path, spans: Path) -> None:
        super().__init__(pairs=pairs, spans=spans)
        self._pairs = pairs
        self._spans = spans

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

    def form(self, params: TrainingParams) -> dict[str, object]:
        """Return the length limits, in tokens, and the form of the answers."""
        return params.model_dump(include={"max_prompt_length", "max_length", "answer"})

    def tokenize(self, template: ChatTemplate, params: TrainingParams) -> Iterator[TokenizedPair]:
        """Yield the pairs that have spans, tokenized.

        Raises:
            InputError: there is no pair, or `max_length` leaves no room for programs.
        """
        rows = tokenize_pairs(self, template, params)
        first = next(rows, None)
        if first is None:
            raise InputError(
                f"{self._spans}: no pair to train on: localization kept none; fixes that only insert lines are dropped "
                "or kept by localization.empty"
            )
        yield first
        yield from rows
