"""Pair table: tokenized pairs in a memory-mapped Arrow file, made once for all processes and objectives.

A process holds what it looks at; the operating system keeps the pages, once for all processes, as long as it has room.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, overload

import tokenizers
import transformers
from datasets import Dataset, Features, List, Value
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
_PAIRS, _FACTS = "pairs.arrow", "facts.json"
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
        facts = json.loads((folder / _FACTS).read_bytes())
        self.checks, self.tokens = PairChecks.from_counts(facts["checks"]), str(facts["tokens"])

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
        with show_progress("tokenize", sum(1 for _ in parse_lines(spans)), unit="pairs") as advance:
            write_pair_table(rows, partial, tokenizer.eos_token_id, advance, count_without_spans(pairs, spans))

    return PairTable(make_once(folder / key, make))


def write_pair_table(
    rows: Iterable[TokenizedPair],
    folder: Path,
    end_token: int,
    advance: Callable[[int], None],
    without_spans: int = 0,
) -> None:
    """Write a table, and look at every pair on its way.

    Args:
        rows: the tokenized pairs.
        folder: is made.
        end_token: closes every program that was not cut.
        advance: told how many more are written.
        without_spans: how many pairs are not in it, since they have none.
    """
    folder.mkdir(parents=True)
    checks, tokens, waiting = PairChecks(without_spans=without_spans), hashlib.sha256(), iter(rows)
    with ArrowWriter(features=_FEATURES, path=str(folder / _PAIRS)) as writer:
        while batch := list(islice(waiting, ROWS)):
            for row in batch:
                checks.add(row, row, end_token)
                tokens.update(ids_as_bytes(row.prompt_ids, row.chosen_ids, row.rejected_ids))
            writer.write_batch({name: [getattr(row, name) for row in batch] for name in _FEATURES})
            advance(len(batch))
        writer.finalize()
    facts = {"checks": checks.counts(), "tokens": tokens.hexdigest()}
    (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
