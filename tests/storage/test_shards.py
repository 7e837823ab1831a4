"""Splits are never mixed without a word, and files of every kind that is read give the same objects."""

import multiprocessing
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from iterpref_core.records import InputError
from iterpref_core.storage.jsonl import atomic_writer, write_jsonl
from iterpref_core.storage.shards import fetch, find_shards
from tests.texts import write_files, written

FOLDERS = """
a.jsonl b.jsonl | | a.jsonl b.jsonl |
latest.jsonl contest.jsonl | | contest.jsonl latest.jsonl |
train-0.jsonl test-0.jsonl val.jsonl | | train-0.jsonl | test=1 validation=1
train/a.jsonl dev/a.jsonl | | train/a.jsonl | validation=1
train.jsonl more.jsonl | | train.jsonl | other=1
data/rl-00000-of-00001.jsonl data/sft-00000-of-00001.jsonl | --split rl | data/rl-00000-of-00001.jsonl | sft=1
train/part-00000-of-00001.jsonl test/part-00000-of-00001.jsonl | | train/part-00000-of-00001.jsonl | test=1
part-00000-of-00001.jsonl | | part-00000-of-00001.jsonl |
a.parquet b.parquet c.jsonl | | a.parquet b.parquet | other=1
train.jsonl test.jsonl | --split test | test.jsonl | train=1
train.jsonl dev.jsonl | --split val | dev.jsonl | train=1
train.jsonl test.jsonl | --split all | train.jsonl test.jsonl |
test.jsonl | --split test | test.jsonl |
train.jsonl.gz train-1.jsonl.zst | | train-1.jsonl.zst train.jsonl.gz |
a.csv b.csv | | a.csv b.csv |
data-00000-of-00001.arrow state.json README | | data-00000-of-00001.arrow |
a.jsonl b.xlsx d.tar.gz LICENSE .git/HEAD .cache/b.jsonl set.py | | a.jsonl |
data/a.jsonl clean/a-0.jsonl clean/b-0.jsonl | --config clean | clean/a-0.jsonl | incorrect=1 other=1
data/a.jsonl clean/a-0.jsonl clean/b-0.jsonl | --config clean --split incorrect | clean/b-0.jsonl | train=1 other=1
data/a.jsonl clean/a-0.jsonl clean/b-0.jsonl | --config all | data/a.jsonl clean/a-0.jsonl | incorrect=1
data/train-0.jsonl data/test-0.jsonl README.md | | data/train-0.jsonl | test=1
test.jsonl | | error: no split train, but test (1 files) |
train.jsonl | --split test | error: no split test, but train (1 files) |
a-0-of-3.csv a-2-of-3.csv | | error: a-1-of-3.csv: is missing beside a-0-of-3.csv |
part-1-of-2.csv part-2-of-2.csv | | part-1-of-2.csv part-2-of-2.csv |
data/a.jsonl clean/a-0.jsonl | | error: several configurations (default, clean) |
a.xyz | | error: finds no files by its README |
data/a.jsonl clean/a-0.jsonl | --config claen | error: no configuration 'claen'; did you mean 'clean'? |
"""
"""Files of a folder | options | files that are read | files of other splits."""
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
"""The card of folders of which a configuration is read."""


@pytest.mark.parametrize("line", FOLDERS.strip().split("\n"))
def test_one_split_of_one_configuration_of_a_folder_is_read_and_the_others_are_counted(tmp_path, line):
    names, words, read, dropped = (part.strip() for part in f"{line} ".split("|"))
    options = dict(zip(words.split()[::2], words.split()[1::2], strict=True))
    folder, config = write_files(tmp_path, dict.fromkeys(names.split(), "")), options.get("--config")
    if "clean/" in names:
        (folder / "README.md").write_text(CARD)
    if read.startswith("error: "):
        with pytest.raises(InputError) as refused:
            find_shards([folder], options.get("--split"), config)
        assert read.removeprefix("error: ") in str(refused.value)
        return
    found = find_shards([folder], options.get("--split"), config)
    assert [Path(path).relative_to(tmp_path).as_posix() for path in found.files] == read.split()
    assert sorted(f"{split}={count}" for split, count in found.dropped.items()) == sorted(dropped.split())
    assert found.license == ("MIT" if config else None)


@pytest.mark.parametrize("configs", ["[", "[{config_name: a, data_files: none/*.jsonl}]", "[{data_files: a.jsonl}]"])
def test_a_card_that_names_no_files_is_said_to_be_at_fault(tmp_path, configs):
    folder = write_files(tmp_path, {"a.jsonl": ""})
    (folder / "README.md").write_text(f"---\nconfigs: {configs}\n---\n")
    with pytest.raises(InputError, match=r"by its README\.md .*; correct the card's `configs`, or name the files"):
        find_shards([folder])


def test_the_license_stands_on_the_card_of_the_folders_above(tmp_path):
    folder = write_files(tmp_path, {"data/train/a.jsonl": ""})
    (folder / "README.md").write_text(CARD)
    for source in ("data", "data/train", "data/train/a.jsonl"):
        assert find_shards([folder / source]).license == "MIT"
    (folder / "README.md").write_text("---\nlicense: llama3.1\nlibrary_name: transformers\n---\n")
    assert find_shards([folder / "data"]).license is None


def test_a_file_that_is_named_twice_is_refused(tmp_path):
    source = write_files(tmp_path, {"a.jsonl": ""}) / "a.jsonl"
    with pytest.raises(InputError, match="named twice"):
        find_shards([source, source])


def test_a_set_that_the_hub_does_not_give_is_one_message(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"org/absent: no file, and no set .*; check the name, or download the set"):
        find_shards([Path("org/absent")])


@pytest.mark.parametrize("script", [True, False])
def test_a_set_of_the_hub_is_fetched_file_by_file(monkeypatch, tmp_path, script):
    """The hub is replaced by functions of its client: no network is asked."""
    asked = []

    def names(place, revision=None):
        if script and revision is None:
            raise RuntimeError("Dataset scripts are no longer supported")
        return ["all"]

    def builder(place, config, revision, cache_dir):
        asked.append((place, config, revision))
        files = {"train": [f"hf://datasets/{place}@0a1b/train.jsonl"], "test": ["hf://datasets/x"]}
        return SimpleNamespace(config=SimpleNamespace(data_files=files))

    def download(place, file, *, repo_type, revision=None, **_):
        asked.append((place, file, repo_type, revision))
        return str(written(tmp_path / file, {"a": 1}))

    monkeypatch.setattr("datasets.get_dataset_config_names", names)
    monkeypatch.setattr("datasets.load_dataset_builder", builder)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: None)
    monkeypatch.setattr(
        "huggingface_hub.HfFileSystem.resolve_path",
        lambda _, path: SimpleNamespace(
            repo_id="a/b", path_in_repo="train.jsonl", repo_type="dataset", revision="0a1b", path=path
        ),
    )
    found = find_shards([Path("a/b")])
    assert (found.files, found.dropped) == (["hf://datasets/a/b@0a1b/train.jsonl"], {"test": 1})
    assert fetch(found.files[0]).name == "train.jsonl"
    assert asked == [
        ("a/b", "README.md", "dataset", None),
        ("a/b", "all", "refs/convert/parquet" if script else None),
        ("a/b", "train.jsonl", "dataset", "0a1b"),
    ]


def _write_and_die(path):
    with atomic_writer(path) as file:
        file.write("half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_partial_file_of_a_killed_run_goes_with_the_next_and_that_of_a_living_one_stays(tmp_path):
    path = tmp_path / "out[1].jsonl"
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path,))
    process.start()
    process.join()
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_writer(path):
        (living,) = tmp_path.iterdir()
        process = multiprocessing.get_context("fork").Process(target=write_jsonl, args=(path, []))
        process.start()
        process.join()
        assert living.exists()
        assert path.is_file()
    assert list(tmp_path.iterdir()) == [path]
