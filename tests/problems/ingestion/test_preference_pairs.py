"""Preference pairs by others' columns and shapes: programs come out of their answers, and can be localized."""

import json
import os
from threading import Thread

import pytest

from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.records import FocalSpans
from iterpref_core.records.config import LocalizationParams
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.storage.jsonl import read_jsonl, read_pairs
from tests.settings import section
from tests.texts import marked, written

CHOSEN = "def f(x):\n    return x + 1\n"
REJECTED = "def f(x):\n    return x\n"
PAIR = {"prompt": "Add one.", "chosen": f"So:\n```python\n{CHOSEN}```\nDone.", "rejected": f"```python\n{REJECTED}```"}


def test_programs_come_out_of_their_fences_and_can_be_localized(tmp_path):
    out, spans = tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl"
    ingest_pairs(Wanted([written(tmp_path / "in.json", PAIR)]), out)
    focal = section(LocalizationParams, method="line_lcs", empty="anchor", widen_lines=0)
    assert localize_pairs(out, focal, spans).pairs == 1
    assert marked(REJECTED, next(read_jsonl(spans, FocalSpans)).rejected) == ["    return x"]


def test_a_pipe_is_read_once(tmp_path):
    pipe = tmp_path / "rows.jsonl"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=(json.dumps(PAIR),), daemon=True)
    writer.start()
    assert ingest_pairs(Wanted([pipe]), tmp_path / "out.jsonl").counts["pairs"] == 1
    writer.join()


def test_a_file_without_a_pair_is_refused_and_nothing_is_written(tmp_path):
    source, out = written(tmp_path / "in.jsonl", PAIR | {"rejected": PAIR["chosen"]}), tmp_path / "pairs.jsonl"
    with pytest.raises(InputError, match=r"no pair to ingest \(1 same_program;"):
        ingest_pairs(Wanted([source]), out)
    assert not out.exists()


@pytest.mark.parametrize(
    "text",
    ["prompt", "prompt=", "question=prompt", "prompt=a,prompt=b", "prompt=a+", "prompt=a,,chosen=b", "", "chosen?=a"],
)
def test_columns_that_cannot_be_understood_are_refused(text):
    with pytest.raises(ConfigError, match="columns"):
        parse_columns(text)


def test_shards_are_read_one_after_another_and_every_row_left_out_is_written(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    written(folder / "a.jsonl", PAIR, PAIR | {"chosen": "No."})
    written(folder / "b.jsonl", {"prompt": "p", "chosen": 3, "rejected": "x"}, PAIR)
    found = ingest_pairs(Wanted([folder]), tmp_path / "out", dropped=tmp_path / "dropped")
    assert found.counts == {"pairs": 2, "dropped/no_code": 1, "dropped/bad_record": 1}
    assert [pair.task_id for pair in read_pairs(tmp_path / "out")] == ["pair-1", "pair-4"]
    lines = [json.loads(line) for line in (tmp_path / "dropped").read_text().splitlines()]
    assert [line["where"] for line in lines] == [f"{folder}/a.jsonl:2", f"{folder}/b.jsonl:1"]
