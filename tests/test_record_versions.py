"""Versions of records: earlier and later ones are refused by name; version 1 costs no byte."""

from pathlib import Path

import pytest

from iterpref_core.errors import RecordError
from iterpref_core.records import FocalSpans, PreferencePair, Record
from iterpref_core.storage.jsonl import read_jsonl


class Person(Record):
    """A record in its third version."""

    schema_version = 3

    task_id: str
    name: str


ADA = Person(task_id="a", name="Ada Lovelace")
PAIR = '"task_id":"a","prompt":"p","chosen":"c","rejected":"r"}'


def read(tmp_path: Path, line: str, record: type[Record]) -> list[Record]:
    path = tmp_path / "p.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    return list(read_jsonl(path, record))


def test_a_record_says_its_version_from_the_second_on(tmp_path: Path) -> None:
    assert ADA.to_json() == '{"schema_version":3,"task_id":"a","name":"Ada Lovelace"}'
    assert "schema_version" not in FocalSpans(task_id="a", method="line_lcs", rejected=(), chosen=()).to_json()
    assert read(tmp_path, ADA.to_json(), Person) == [ADA]
    assert read(tmp_path, '{"task_id":"a","name":"Ada Lovelace","schema_version":3}', Person) == [ADA]
    (pair,) = read(
        tmp_path, '{"schema_version":"2024-01",' + PAIR, PreferencePair
    )  # foreign data's own use of the name
    assert pair.to_json() == "{" + PAIR


@pytest.mark.parametrize(
    ("line", "record", "message"),
    [
        ('{"task_id":"a","full":"Ada"}', Person, "Person of version 1, and .* reads 3: run again what wrote it$"),
        ('{"schema_version":4,"task_id":"a"}', Person, "Person of version 4, .*: a later IterPref wrote it"),
        ('{"schema_version":2,' + PAIR, PreferencePair, "PreferencePair of version 2, .*: a later"),
        ('{"schema_version":3,"task_id":"a"}', Person, "correct it"),
    ],
)  # fmt: skip
def test_a_version_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, line: str, record: type[Record], message: str
) -> None:
    with pytest.raises(RecordError, match=rf"p\.jsonl:1: .*{message}"):
        read(tmp_path, line, record)
