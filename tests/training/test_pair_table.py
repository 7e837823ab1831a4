"""Pairs on disk are those in memory, made once, and whole or not there."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError
from iterpref_core.records import FocalSpans
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training import pair_table
from iterpref_core.training.checks import PairChecks
from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.pair_table import PairTable, open_pair_table

OpenTable = Callable[..., PairTable]


@pytest.fixture
def open_table(
    pairs_file: Path, spans_file: Path, tokenizer: PreTrainedTokenizerBase, params: TrainingParams, tmp_path: Path
) -> OpenTable:
    def opened(spans: Path = spans_file, fingerprint: str = "model", **settings: object) -> PairTable:
        changed = params.model_copy(update=settings)
        return open_pair_table(pairs_file, spans, tokenizer, fingerprint, changed, tmp_path / "tables")

    return opened


def test_a_table_has_the_pairs_in_order(
    open_table: OpenTable, rows: list[TokenizedPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_table, "ROWS", 5)
    table = open_table()
    assert list(table) == table[:] == rows
    assert (len(table), table[7], table[-1]) == (len(rows), rows[7], rows[-1])
    assert list(table.task_ids) == [row.task_id for row in rows]


def test_what_was_counted_on_the_way_is_what_counting_the_pairs_gives(
    open_table: OpenTable, rows: list[TokenizedPair], params: TrainingParams, tokenizer: PreTrainedTokenizerBase
) -> None:
    found, counted = open_table().checks, PairChecks(tokenizer.eos_token_id)
    for row in rows:
        counted.add(row, row)
    assert found.counts() == counted.counts()
    assert found.numbers() == counted.numbers()
    assert list(found.findings(params)) == list(counted.findings(params))
    assert found["focal"].tolist() == [sum(row.focal) for row in rows]


def test_a_table_is_made_once_and_another_for_whatever_decides_another(
    open_table: OpenTable, span_records: list[FocalSpans], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    make = pair_table.write_pair_table

    def counting(rows: Iterator[TokenizedPair], folder: Path, *args: object) -> None:
        made.append(folder)
        make(rows, folder, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(pair_table, "write_pair_table", counting)
    first, again = open_table(), open_table()
    assert len(made) == 1
    assert first.tokens == again.tokens
    bare = [spans.model_copy(update={"rejected": ()}) for spans in span_records]
    write_jsonl(tmp_path / "bare.jsonl", bare)
    unmarked = open_table(spans=tmp_path / "bare.jsonl")
    assert unmarked.tokens == first.tokens, "masks decide no log-probabilities"
    assert not any(any(row.focal) for row in unmarked)
    assert open_table(max_length=80).tokens == first.tokens, "nothing is longer than 80 tokens"
    assert open_table(answer="fenced").tokens != first.tokens
    open_table(fingerprint="another")
    assert len(set(made)) == len(made) == 5


def test_a_table_that_a_killed_process_began_is_made_anew(open_table: OpenTable, rows: list[TokenizedPair]) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def begin() -> None:
        pair_table.ROWS = 4
        pair_table.show_progress = _telling(die)  # type: ignore[assignment]
        open_table()

    copy = multiprocessing.get_context("fork").Process(target=begin)
    copy.start()
    copy.join()
    assert copy.exitcode == -signal.SIGKILL
    assert list(open_table()) == rows


def _telling(advance: Callable[..., None]) -> Callable[..., object]:
    return lambda *_, **__: nullcontext(advance)


def test_nothing_to_train_on_leaves_no_table(open_table: OpenTable, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "none.jsonl", [])
    with pytest.raises(InputError, match="no pair to train on"):
        open_table(spans=tmp_path / "none.jsonl")
    assert [path for path in (tmp_path / "tables").iterdir() if not path.name.startswith(".")] == []


def test_rows_have_what_the_reference_gave_them_once_it_is_joined(
    open_table: OpenTable, rows: list[TokenizedPair]
) -> None:
    scores = {
        f"ref_{side}": [[-0.5 * place for place in range(len(getattr(row, f"{side}_ids")))] for row in rows]
        for side in ("chosen", "rejected")
    }
    table = open_table()
    assert table[3].ref_chosen == ()
    table.join(Dataset.from_dict(scores))
    assert [row.ref_rejected for row in table] == scores["ref_rejected"]
    assert table[3].ref_chosen == scores["ref_chosen"][3]
