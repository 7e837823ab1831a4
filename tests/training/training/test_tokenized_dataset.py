"""Pairs on disk are those in memory, made once, and whole or not there."""

import pytest

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.data import tokenized_dataset
from iterpref_core.training.data.tokenized_dataset import open_tokenized_dataset

from .conftest import checks_of


@pytest.fixture
def open_dataset(pairs_file, tokenizer, params, tmp_path):
    def opened(pairs=pairs_file, fingerprint="model", **settings):
        changed = params.model_copy(update=settings)
        return open_tokenized_dataset(pairs, ChatTemplate(tokenizer), fingerprint, changed, tmp_path / "tables")

    return opened


def test_a_table_has_the_pairs_in_order_and_what_was_counted_on_the_way(open_dataset, rows, params, monkeypatch):
    monkeypatch.setattr(tokenized_dataset, "_ROWS", 5)
    table, counted = open_dataset(), checks_of(rows)
    assert list(table) == rows
    assert (len(table), table.problems) == (len(rows), [row.task_id for row in rows])
    assert list(table.checks.row_tokens) == [row.length for row in rows]
    assert (table.checks.counts(), table.checks.numbers()) == (counted.counts(), counted.numbers())
    assert list(table.checks.findings(params)) == list(counted.findings(params))


def test_a_table_is_made_once_and_another_for_whatever_decides_another(open_dataset, pair_records, tmp_path):
    first = open_dataset()
    made = {path: path.stat().st_ino for path in (tmp_path / "tables").glob("*/*")}
    assert open_dataset().checks.tokens == first.checks.tokens
    assert {path: path.stat().st_ino for path in (tmp_path / "tables").glob("*/*")} == made
    bare = [pair.model_copy(update={"rejected_spans": None}) for pair in pair_records]
    write_jsonl(tmp_path / "bare.jsonl", bare)
    unmarked = open_dataset(tmp_path / "bare.jsonl")
    assert unmarked.checks.tokens == first.checks.tokens, "masks decide no log-probabilities"
    assert not any(any(row.focal) for row in unmarked)
    assert open_dataset(max_length=80).checks.tokens == first.checks.tokens, "no pair is longer than 80 tokens"
    assert open_dataset(answer="fenced").checks.tokens != first.checks.tokens
    open_dataset(fingerprint="another")
    assert len(list((tmp_path / "tables").glob("*/pairs.arrow"))) == 5
