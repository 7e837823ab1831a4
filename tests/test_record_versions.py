"""Versions of records: earlier and later ones are refused by name; version 1 costs no byte."""

from pathlib import Path

import pytest

from iterpref_core.errors import RecordError
from iterpref_core.records import FocalSpans, PreferencePair, Record
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl


class Person(Record):
    """A record in its third version."""

    schema_version = 3

    task_id: str
    name: str


ADA = Person(task_id="a", name="Ada Lovelace")


def test_a_record_says_its_version_from_the_second_on(tmp_path: Path) -> None:
    assert ADA.to_json() == '{"schema_version":3,"task_id":"a","name":"Ada Lovelace"}'
    spans = FocalSpans(task_id="a", method="line_lcs", rejected=(), chosen=())
    assert "schema_version" not in spans.to_json()
    write_jsonl(tmp_path / "p.jsonl", [ADA])
    assert list(read_jsonl(tmp_path / "p.jsonl", Person)) == [ADA]


def test_the_version_may_stand_anywhere_in_the_line(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"task_id":"a","name":"Ada Lovelace","schema_version":3}\n', encoding="utf-8")
    assert list(read_jsonl(path, Person)) == [ADA]


@pytest.mark.parametrize(
    ("line", "record", "message"),
    [
        ('{"task_id":"a","full":"Ada"}', Person, "Person of version 1, and .* reads 3: run again what wrote it$"),
        ('{"task_id":"a","schema_version":2}', Person, "Person of version 2, and .* 3: run again what wrote it$"),
        ('{"schema_version":4,"task_id":"a"}', Person, "Person of version 4, .*: a later IterPref wrote it"),
        (
            '{"schema_version":2,"task_id":"a","prompt":"p","chosen":"c","rejected":"r"}',
            PreferencePair,
            "PreferencePair of version 2, and this program reads 1: a later IterPref wrote it; use that one$",
        ),
    ],
)
def test_a_version_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, line: str, record: type[Record], message: str
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(RecordError, match=rf"p\.jsonl:1: field 'schema_version': {message}"):
        list(read_jsonl(path, record))


def test_foreign_data_may_use_the_name_for_its_own(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"schema_version":"2024-01","task_id":"a","prompt":"p","chosen":"c","rejected":"r"}\n', "utf-8")
    (pair,) = read_jsonl(path, PreferencePair)
    assert pair.task_id == "a"


@pytest.mark.parametrize("line", ["{", '["schema_version"]', '{"schema_version":3,"task_id":"a"}'])
def test_what_is_no_record_is_still_said_to_be_none(tmp_path: Path, line: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(RecordError, match=r"p\.jsonl:1:.*; correct it"):
        list(read_jsonl(path, Person))
