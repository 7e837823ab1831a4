"""JSONL in and out: what errors say, and that files appear whole or not at all."""

import errno
import json
import os
from pathlib import Path

import pytest

from iterpref_core.records import (
    InputError,
    PreferencePair,
    Problem,
    RecordError,
    StorageError,
    read_text,
    read_yaml,
    storage_error,
)
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl, read_pairs, write_jsonl
from iterpref_core.storage.new_folder import new_folder

PAIR = PreferencePair(task_id="t", prompt="p", chosen="é\u2028\n", rejected="b")


def written(path, text):
    path.write_text(text)
    return path


def test_records_survive_a_round_trip(tmp_path):
    path = tmp_path / "new" / "pairs.jsonl"
    assert write_jsonl(path, [PAIR]) == 1
    assert list(read_jsonl(path, PreferencePair)) == list(read_pairs(path)) == [PAIR]
    assert "é" in path.read_text()


PROBLEM = '{"task_id": "a", "prompt": "p", "entry_point": "f", "tests": [%s]%s}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"task_id": "a"', "Invalid JSON"),
        ("PAR1\x15\x04", "Invalid JSON"),
        ("PK\x03\x04\x14", "Invalid JSON"),
        ('{"task_id": "a", "prompt": "p", "rejected": "c"}', "field 'chosen': Field required"),
        ('{"task_id": "a", "prompt": "p", "chosen": "c", "rejected": 3}', "field 'rejected'"),
        ('{"task_id": "t", "prompt": "p", "chosen": "c", "rejected": "r"}', "already used on line 1"),
        (
            PROBLEM % ("", ', "hiden_tests": []'),
            "field 'hiden_tests': Extra inputs are not permitted; such a record is {",
        ),
        (PROBLEM % ('{"kind": "io", "call": "f(1)"}', ""), "field 'tests.0.io.expected': Field required"),
        (PROBLEM % ("1 2", ""), "Invalid JSON: expected `,` or `]` at line 1 column 65"),
        (PROBLEM % ("[" * 5000, ""), "Invalid JSON: recursion limit exceeded"),
    ],
)
def test_errors_name_file_line_and_field_and_what_is_expected(tmp_path, line, message):
    first = PAIR
    reads = [read_pairs, lambda path: read_jsonl(path, PreferencePair, unique=True)]
    if "entry_point" in line:
        first = Problem(task_id="t", prompt="p", tests=())
        reads = [lambda path: read_jsonl(path, Problem)]
    path = written(tmp_path / "records.jsonl", f"{first.to_json()}\n\n{line}\n")
    for read in reads:
        with pytest.raises(RecordError) as caught:
            list(read(path))
        assert str(caught.value).startswith(f"{path}:3:")
        assert message in str(caught.value)


def test_of_a_split_the_other_lines_are_not_validated(tmp_path):
    lines = [
        '{"task_id": "a", "prompt": "p", "tests": [], "split": "heldout"}',
        '{"task_id": "b", "prompt": "p", "tests": [], "split":"heldout"}',
        '{"task_id": "c", "prompt": "\\"split\\": \\"heldout\\"", "tests": [], "split": "codeflow"}',
        '{"task_id": "d", "prompt": 0, "split": "held-out"}',
        '{"task_id": "e", "prompt": "p", "tests": []}',
    ]
    path = written(tmp_path / "problems.jsonl", "\n".join(lines))
    assert [problem.task_id for problem in read_jsonl(path, Problem, split="heldout")] == ["a", "b"]


def test_an_empty_rejected_program_is_none_as_a_table_has_it_in_csv(tmp_path):
    """Each row was a pair, which training left out: no error region can be marked in it."""
    jsonl = [{"prompt": "p", "chosen": "c", "rejected": rejected} for rejected in ("r", "", " \n", None)]
    lines = ["prompt,chosen,rejected,rejected_spans", "p,c,r,", "p,c,,", 'p,c," ",']
    for path in (
        written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, jsonl))),
        written(tmp_path / "a.csv", "\n".join(lines)),
    ):
        rejected = [pair.rejected for pair in read_pairs(path)]
        assert rejected == ["r", *[None] * (len(rejected) - 1)]


@pytest.mark.parametrize("spaced", [True, False])
def test_a_repeated_key_is_refused_however_the_line_is_written(tmp_path, spaced):
    fields = '"task_id":"t","prompt":"p","chosen":"c","rejected":"r"'
    line = "{" + fields + ',"chosen":"d"}'
    path = tmp_path / "pairs.jsonl"
    path.write_text(line.replace(",", ", ") if spaced else line)
    for read in (lambda: read_jsonl(path, PreferencePair), lambda: read_pairs(path)):
        with pytest.raises(RecordError, match=r"pairs\.jsonl:1: the key 'chosen' occurs twice"):
            list(read())


@pytest.mark.parametrize("read", [lambda path: list(read_pairs(path)), read_yaml, read_text])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_another_encoding_is_refused(tmp_path, encoding, read):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes((PAIR.to_json() + "\n").encode(encoding))
    with pytest.raises(InputError, match=r"pairs\.jsonl:1: not UTF-8 .*; save the file as UTF-8"):
        read(path)


@pytest.mark.parametrize(("name", "message"), [("none.jsonl", "no such file"), (".", "is a folder")])
def test_an_absent_file_and_a_folder_are_input_errors(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        list(read_pairs(tmp_path / name))


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = written(tmp_path / "out.txt", "before")

    def write_and_fail():
        with atomic_writer(path) as file:
            file.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StorageError, match=r"/pairs\.jsonl: No space left on device; free"):
        write_jsonl(tmp_path / "pairs.jsonl", [PAIR])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_under_a_new_folder_is_told_by_the_name_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    partial = f".model.{os.getpid()}.partial/a"
    for reason, place in (
        (ValueError("I/O error: No space left on device (os error 28)"), "model"),
        (OSError(errno.ENOSPC, "full", partial), "model/a"),
    ):
        with pytest.raises(StorageError, match=f"^{place}: No space left on device; free"), new_folder(Path("model")):
            raise reason
    assert list(tmp_path.iterdir()) == []


def test_an_error_says_whether_storage_caused_it():
    class LibraryError(Exception):
        pass

    def wrapped(number, path=None):
        try:
            try:
                raise OSError(number, os.strerror(number), path)
            except OSError as error:
                raise LibraryError("cannot save") from error
        except LibraryError as error:
            return error

    assert str(storage_error(wrapped(errno.EROFS, "models/base"))).startswith("models/base: Read-only file system; ")
    assert str(storage_error(wrapped(errno.ENOSPC))).startswith(f"{Path.cwd()} or ")
    assert storage_error(wrapped(errno.ENOENT)) is None
    assert storage_error(LibraryError("I/O error: No space left on device (os error 28)")) is not None
    assert storage_error(LibraryError("Permission denied")) is None, "servers say so, too"
