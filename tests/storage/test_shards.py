"""Splits are never mixed without a word, and files of every kind that is read give the same objects."""

import doctest
import gzip
import json
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from iterpref_core.records.errors import InputError
from iterpref_core.storage import shards
from iterpref_core.storage.items import read_items
from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.shards import find_shards
from iterpref_core.storage.sqlite import Database

ROWS = [{"a": "é\n1", "b": "101"}, {"a": "x,\"y'", "b": ""}]
TEXT = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def test_the_examples_hold() -> None:
    assert doctest.testmod(shards).failed == 0


def folder_of(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("names", "split", "read", "left_out"),
    [
        (("a.jsonl", "b.jsonl"), None, ["a.jsonl", "b.jsonl"], {}),
        (("latest.jsonl", "contest.jsonl"), None, ["contest.jsonl", "latest.jsonl"], {}),
        (("train-0.jsonl", "test-0.jsonl", "val.jsonl"), None, ["train-0.jsonl"], {"test": 1, "validation": 1}),
        (("train/a.jsonl", "dev/a.jsonl"), None, ["train/a.jsonl"], {"validation": 1}),
        (("train.jsonl", "more.jsonl"), None, ["train.jsonl"], {"unnamed": 1}),
        (
            ("train-00000-of-00001.jsonl", "use_with_caution-00000-of-00001.jsonl"),
            None,
            ["train-00000-of-00001.jsonl"],
            {"use_with_caution": 1},
        ),
        (
            ("train-00000-of-00001.jsonl", "incorrect-00000-of-00001.jsonl"),
            "incorrect",
            ["incorrect-00000-of-00001.jsonl"],
            {"train": 1},
        ),
        (
            ("train_prefs-00000-of-00001.jsonl", "train_sft-00000-of-00001.jsonl", "test-00000-of-00001.jsonl"),
            "train_prefs",
            ["train_prefs-00000-of-00001.jsonl"],
            {"train_sft": 1, "test": 1},
        ),
        (("rl-00000-of-00001.jsonl", "sft-00000-of-00001.jsonl"), "rl", ["rl-00000-of-00001.jsonl"], {"sft": 1}),
        (("a-train-00000-of-00001.jsonl",), None, ["a-train-00000-of-00001.jsonl"], {}),
        (("train/part-00000-of-00001.jsonl", "test/part-00000-of-00001.jsonl"), None,
         ["train/part-00000-of-00001.jsonl"], {"test": 1}),
        (("part-00000-of-00001.jsonl",), None, ["part-00000-of-00001.jsonl"], {}),
        (("a.parquet", "b.jsonl", "dataset_infos.json"), None, ["a.parquet"], {"jsonl": 1, "json": 1}),
        (("train.jsonl", "test.jsonl"), "test", ["test.jsonl"], {"train": 1}),
        (("train.jsonl", "dev.jsonl"), "val", ["dev.jsonl"], {"train": 1}),
        (("train.jsonl", "test.jsonl"), "all", ["test.jsonl", "train.jsonl"], {}),
        (("test.jsonl",), "test", ["test.jsonl"], {}),
        (("trainset.jsonl", "testset.jsonl"), None, ["trainset.jsonl"], {"test": 1}),
        (("train/a.jsonl", "train/test-0.jsonl"), None, ["train/a.jsonl"], {"test": 1}),
        (("train_test/train.jsonl", "train_test/test.jsonl"), None, ["train_test/train.jsonl"], {"test": 1}),
        (("train.jsonl", "train_test.jsonl"), None, ["train.jsonl"], {"unnamed": 1}),
        (("train.jsonl", "test(1).jsonl", "heldout.jsonl"), None, ["train.jsonl"], {"test": 2}),
        (("TRAIN.JSONL", "a.csv", "b.csv", "dataset_infos.json"), None, ["TRAIN.JSONL"],
         {"csv": 2, "json": 1}),
        (("a.jsonl", "b.tsv", "c.jsonl.zip", "d.tar.gz", "README.md", "LICENSE", ".git/HEAD"), None, ["a.jsonl"],
         {}),
    ],
)  # fmt: skip
def test_one_split_of_a_folder_is_read_and_the_others_are_counted(
    tmp_path: Path, names: tuple[str, ...], split: str | None, read: list[str], left_out: dict[str, int]
) -> None:
    found = find_shards([folder_of(tmp_path, *names)], split)
    assert [path.relative_to(tmp_path).as_posix() for path in found.files] == read
    assert found.left_out == left_out


CARD = """\
---
license: mit
configs:
- config_name: default
  data_files: data/*.jsonl
- config_name: clean
  data_files:
  - split: train
    path: clean/a-*
  - split: incorrect
    path: [clean/b-*]
---
# A set
"""


CARD_OF = "---\nlicense: [MIT]\nconfigs:\n{}\n---\n"
"""A card with configurations in any of the forms that there are."""


@pytest.mark.parametrize(
    ("card", "names", "config", "split", "read", "left_out"),
    [
        *[(CARD_OF.format(entries), ("a.jsonl", "b.jsonl", "hard/c.jsonl", "d.parquet"), config, None, read, left_out)
          for entries, config, read, left_out in [
            ("- default", None, ["d.parquet"], {"jsonl": 3}),
            ("- {config_name: a, features: []}", None, ["d.parquet"], {"jsonl": 3}),
            ("- {config_name: a, data_files: {train: a.jsonl, test: b.jsonl}}", None, ["a.jsonl"], {"test": 1}),
            ("- data_files: '*.jsonl'\n- {config_name: hard, data_files: hard/*}", "default", ["a.jsonl", "b.jsonl"],
             {}),
            ("- {config_name: a, data_files: ./a.jsonl}", None, ["a.jsonl"], {}),
            ("- {config_name: a, data_files: /hard/**}", None, ["hard/c.jsonl"], {}),
            ("- {config_name: 23, data_files: a.jsonl}\n- {config_name: 24, data_files: d.parquet}", "23", ["a.jsonl"],
             {}),
        ]],
        (CARD, ("data/a.jsonl", "clean/a-0.jsonl", "clean/b-0.jsonl"), "clean", None, ["clean/a-0.jsonl"],
         {"incorrect": 1}),
        (CARD, ("data/a.jsonl", "clean/a-0.jsonl", "clean/b-0.jsonl"), "clean", "incorrect", ["clean/b-0.jsonl"],
         {"train": 1}),
        (CARD, ("data/a.jsonl", "clean/a-0.jsonl"), "all", None, ["clean/a-0.jsonl", "data/a.jsonl"], {}),
        (CARD, ("data/a.jsonl",), None, None, ["data/a.jsonl"], {}),
        ("", ("full/train-0.jsonl", "full/test-0.jsonl", "sanitized/train-0.jsonl"), "full", None,
         ["full/train-0.jsonl"], {"test": 1}),
        ("", ("data/python/a.jsonl", "data/java/a.jsonl"), "python", None, ["data/python/a.jsonl"], {}),
        ("# no card", ("data/train-0.jsonl", "data/test-0.jsonl"), None, None, ["data/train-0.jsonl"],
         {"test": 1}),
        ("---\nlicense: [mit\n---\n", ("data/train-0.jsonl",), None, None, ["data/train-0.jsonl"], {}),
    ],
)  # fmt: skip
def test_a_configuration_is_one_set(
    tmp_path: Path,
    card: str,
    names: tuple[str, ...],
    config: str | None,
    split: str | None,
    read: list[str],
    left_out: dict[str, int],
) -> None:
    folder = folder_of(tmp_path, *names)
    if card:
        (folder / "README.md").write_text(card)
    found = find_shards([folder], split, config)
    assert [path.relative_to(tmp_path).as_posix() for path in found.files] == read
    assert found.left_out == left_out
    assert found.license == ("MIT" if "\nconfigs:" in card else None)


def test_the_license_stands_on_the_card_of_the_folders_above(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "data/train/a.jsonl")
    (folder / "README.md").write_text(CARD)
    for source in ("data", "data/train", "data/train/a.jsonl"):
        assert find_shards([folder / source]).license == "MIT"


@pytest.mark.parametrize("card", [CARD, ""])
def test_several_configurations_are_asked_for_with_their_names(tmp_path: Path, card: str) -> None:
    folder = folder_of(tmp_path, "clean/a-0.jsonl", "data/a.jsonl")
    (folder / "README.md").write_text(card)
    names = "default, clean" if card else "clean, data"
    with pytest.raises(InputError, match=rf"several configurations \({names}\); choose one with --config NAME"):
        find_shards([folder])
    with pytest.raises(InputError, match=r"--config: no configuration 'claen'; did you mean 'clean'\?"):
        find_shards([folder], config="claen")


@pytest.mark.parametrize(
    ("names", "split", "message"),
    [
        (("test.jsonl",), None, r"no split train, but test \(1 files\); choose one with --split"),
        (("test.jsonl", "a.jsonl"), None, r"no split train, but test \(1 files\), unnamed \(1 files\)"),
        (("train.jsonl",), "test", "no file of split 'test'; there are train"),
    ],
)  # fmt: skip
def test_a_test_split_is_read_if_it_is_asked_for(
    tmp_path: Path, names: tuple[str, ...], split: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        find_shards([folder_of(tmp_path, *names)], split)


def test_files_of_every_kind_give_the_same_objects(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(TEXT)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(TEXT))
    for path in sorted(tmp_path.iterdir()):
        assert [json.loads(item.text) for item in read_items(path)] == ROWS, path


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl.gz", gzip.compress(TEXT, mtime=0)[:-5], "not a whole gzip file"),
        ("b.jsonl.gz", b"hello", "not a whole gzip file"),
        ("b.jsonl.zst", b"hello", "not a whole Zstandard file"),
    ],
)
def test_files_that_are_not_whole_are_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        list(read_items(tmp_path / name))


def _write_and_die(path: Path) -> None:
    with atomic_writer(path) as file:
        file.write("half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_partial_file_of_a_killed_run_goes_with_the_next_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "out[1].jsonl"
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path,))
    process.start()
    process.join()
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_writer(path):
        (living,) = tmp_path.iterdir()
        process = multiprocessing.get_context("fork").Process(target=_write, args=(path,))
        process.start()
        process.join()
        assert living.exists()
        assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def _write(path: Path) -> None:
    with atomic_writer(path) as file:
        file.write("whole")


def _close_while_reading(path: Path) -> None:
    data = Database(path, ("CREATE TABLE IF NOT EXISTS kept (a TEXT)",))
    data.execute("INSERT INTO kept VALUES (?)", ("x" * 1000,))
    started = threading.Barrier(5)

    def read() -> None:
        started.wait()
        try:
            while True:
                assert data.row("SELECT a FROM kept ORDER BY a") is not None
                data.execute("INSERT INTO kept VALUES ('y')")
        except InputError:
            pass

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    data.close()
    for thread in threads:
        thread.join()


def test_a_hundred_files_are_closed_while_threads_read_and_write_them(tmp_path: Path) -> None:
    # In a process of its own: what failed was the process, by a segmentation fault. The process is a new one, since a
    # forked one would also end what other tests have begun, such as threads of Prefect's, and fail by that.
    process = multiprocessing.get_context("spawn").Process(target=_close_all, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 0


def _close_all(folder: Path) -> None:
    sys.setswitchinterval(1e-6)
    for number in range(100):
        _close_while_reading(folder / f"{number}.sqlite")


def test_lists_of_keys_and_values_stay_lists_and_columns_of_nulls_stay_columns(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [
        {"notes": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}], "tests": None},
        {"notes": [], "tests": "x"},
    ]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert [json.loads(item.text) for item in read_items(tmp_path / "a.parquet", nulls=True)] == rows
