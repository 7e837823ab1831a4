"""Row files: the files of a training, each digested once and read once."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records.config import TrainingParams
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.training.data.tokenized_pair import TokenizedPair


class RowReader(ABC):
    """A reader of the rows of a training from its files.

    Attributes:
        noun: the word for rows in messages and metrics.
        files: name → file.
        without_spans: number of pairs without a record of their error region, once all are read.
        methods: names of the methods of localization, once all are read.
    """

    noun: str
    files: Mapping[str, Path]
    without_spans: int = 0
    methods: Collection[str] = ()

    @cached_property
    def digests(self) -> dict[str, str]:
        """MD5 of each file, by which DVC knows it."""
        return {name: file_digest(path, "md5") for name, path in self.files.items()}

    @abstractmethod
    def form(self, params: TrainingParams) -> dict[str, object]:
        """Return the settings that decide the rows."""

    @abstractmethod
    def tokenize(self, template: ChatTemplate, params: TrainingParams) -> Iterator[TokenizedPair]:
        """Yield the rows, in one pass over the files."""
