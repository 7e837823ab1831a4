"""Pair table: tokenized pairs in a memory-mapped Arrow file, made once for all processes and objectives.

A process holds what it looks at; the operating system keeps the pages, once for all processes, as long as it has room.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, overload

import tokenizers
import transformers
from datasets import Dataset, Features, List, Value, concatenate_datasets
from datasets.arrow_writer import ArrowWriter
from transformers import PreTrainedTokenizerBase

from iterpref_core.config import TrainingParams
from iterpref_core.progress import show_progress
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import parse_lines
from iterpref_core.storage.make_once import make_once
from iterpref_core.training.checks import PairChecks
from iterpref_core.training.dataset import TokenizedPair, count_without_spans, ids_as_bytes, stream_pairs

ROWS = 64
"""Rows read or written at once."""

_MADE_BY = ("iterpref_core.inference", "iterpref_core.training")
_PAIRS, _CHECKS, _TOKENS = "pairs.arrow", "checks.npz", "tokens.sha256"
_FEATURES = Features(
    {name: List(Value("int32")) for name in ("prompt_ids", "chosen_ids", "rejected_ids")}
    | {name: List(Value("int8")) for name in ("focal", "focal_chosen")}
    | {"cut": Value("int64"), "task_id": Value("string")}
)


class PairTable(Sequence[TokenizedPair]):
    """Tokenized pairs on disk.

    Attributes:
        dataset: their columns, the fields of `TokenizedPair`.
        checks: of all pairs, counted as they were written.
        tokens: a digest of all token ids, without the masks.
    """

    def __init__(self, folder: Path) -> None:
        self.dataset = Dataset.from_file(str(folder / _PAIRS))
        self.checks = PairChecks.load(folder / _CHECKS)
        self.tokens = (folder / _TOKENS).read_text(encoding="utf-8")

    def join(self, reference: Dataset) -> None:
        """Add the columns of `reference_logps` to the rows, from now on."""
        self.dataset = concatenate_datasets([self.dataset, reference], axis=1)

    def __len__(self) -> int:
        return len(self.dataset)

    @overload
    def __getitem__(self, index: int) -> TokenizedPair: ...
    @overload
    def __getitem__(self, index: slice) -> list[TokenizedPair]: ...
    def __getitem__(self, index: int | slice) -> TokenizedPair | list[TokenizedPair]:
        if isinstance(index, slice):
            return list(_rows(self.dataset[index]))
        return TokenizedPair(**self.dataset[index])

    @property
    def task_ids(self) -> Iterator[str]:
        """Those of all pairs, without reading their tokens."""
        for batch in self.dataset.select_columns("task_id").iter(1000):
            yield from batch["task_id"]

    def __iter__(self) -> Iterator[TokenizedPair]:
        for batch in self.dataset.iter(ROWS):
            yield from _rows(batch)


class BothHalves(Sequence[TokenizedPair]):
    """Every pair twice: for the half of a batch that counts whole programs, then for that of error regions.

    `half_batches.AlternatingSampler` draws one of the two.
    """

    def __init__(self, rows: Sequence[TokenizedPair]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return 2 * len(self._rows)

    def __getitem__(self, index: int) -> TokenizedPair:  # type: ignore[override]  # no slices of it are taken
        half, place = divmod(index, len(self._rows))
        return replace(self._rows[place], half=half)


def _rows(columns: Mapping[str, Sequence[Any]]) -> Iterator[TokenizedPair]:
    return (TokenizedPair(**dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True))


def open_pair_table(
    pairs: Path,
    spans: Path,
    tokenizer: PreTrainedTokenizerBase,
    fingerprint: str,
    params: TrainingParams,
    folder: Path,
) -> PairTable:
    """The table of pairs with spans; of several processes that want it, one makes it and the others wait.

    Args:
        pairs: preference pairs.
        spans: error regions; pairs without a record there are not in the table.
        tokenizer: of the model that is to be trained.
        fingerprint: of that model, and of how it reads prompts.
        params: length limits, in tokens, and the form of the answers.
        folder: where tables are kept, each under a digest of what decides it.

    Raises:
        InputError: there is no pair, or `max_length` leaves no room for programs.
        ModelError: the tokenizer gives no offsets or has no end token.
    """
    form = [params.max_prompt_length, params.max_length, params.answer]
    versions = [code_digest(*_MADE_BY), tokenizers.__version__, transformers.__version__]
    decisive = [file_digest(pairs), file_digest(spans), fingerprint, form, versions]
    key = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:32]

    def make(partial: Path) -> None:
        rows = stream_pairs(pairs, spans, tokenizer, params)
        checks = PairChecks(tokenizer.eos_token_id, count_without_spans(pairs, spans))
        with show_progress("tokenize", sum(1 for _ in parse_lines(spans)), unit="pairs") as advance:
            write_pair_table(rows, partial, checks, advance)

    return PairTable(make_once(folder / key, make))


def write_pair_table(
    rows: Iterable[TokenizedPair], folder: Path, checks: PairChecks, advance: Callable[[int], None]
) -> None:
    """Write a table, and look at every pair on its way.

    Args:
        rows: the tokenized pairs.
        folder: is made.
        checks: count every pair.
        advance: told how many more are written.
    """
    folder.mkdir(parents=True)
    tokens, waiting = hashlib.sha256(), iter(rows)
    with ArrowWriter(features=_FEATURES, path=str(folder / _PAIRS)) as writer:
        while batch := list(islice(waiting, ROWS)):
            for row in batch:
                checks.add(row, row)
                tokens.update(ids_as_bytes(row.prompt_ids, row.chosen_ids, row.rejected_ids))
            writer.write_batch({name: [getattr(row, name) for row in batch] for name in _FEATURES})
            advance(len(batch))
        writer.finalize()
    checks.save(folder / _CHECKS)
    (folder / _TOKENS).write_text(tokens.hexdigest(), encoding="utf-8")
