"""A backup is whole or not there, and neither command writes over a file."""

import io
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.errors import InputError
from tasks.backup import back_up, restore

SMALL = {
    "dvc.lock": b"schema: '2.0'\n",
    "mlartifacts/1/run/artifacts/report/index.html": b"<p>report</p>" * 1000,
    ".iterpref/records/set-aside.json": b"{}",
    ".iterpref/times/training/sft.json": b'{"started": 1.0}',
}


def rows(database: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(database)) as data:
        return data.execute("SELECT * FROM runs").fetchall()


def content(folder: Path) -> dict[str, bytes]:
    """All files but the lock of runs."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.startswith(".iterpref/run.")}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with records and answers, which is the present folder."""
    folder = tmp_path / "checkout"
    for name, data in SMALL.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for name in ("mlflow.db", ".iterpref/answers.sqlite"):
        with closing(sqlite3.connect(folder / name)) as data:
            data.execute("PRAGMA journal_mode=WAL")
            data.execute("CREATE TABLE runs (id INTEGER)")
            data.execute("INSERT INTO runs VALUES (1)")
            data.commit()
    (folder / "params.yaml").write_text("code: git has it\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "clone"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_clone_gets_back_what_was_there_while_a_run_was_writing(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "backups/monday.tar.gz"
    with closing(sqlite3.connect("mlflow.db")) as writing:
        writing.execute("INSERT INTO runs VALUES (2)")
        writing.commit()  # in the log beside the data base, and not yet in its file
        writing.execute("INSERT INTO runs VALUES (3)")
        back_up(archive)
    assert list(archive.parent.iterdir()) == [archive]
    copy = clone(tmp_path, monkeypatch)
    manifest, brought = restore(archive)
    assert sorted(brought) == sorted(manifest.files) == sorted([*SMALL, "mlflow.db", ".iterpref/answers.sqlite"])
    assert {name: data for name, data in content(copy).items() if name in SMALL} == SMALL
    assert (rows(copy / "mlflow.db"), rows(copy / ".iterpref/answers.sqlite")) == ([(1,), (2,)], [(1,)])
    assert manifest.checkout == str(checkout)
    assert not list((copy / ".iterpref").glob("restore-*"))


def test_a_backup_is_written_over_nothing_and_a_broken_one_leaves_nothing(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "backups/monday.tar.gz"
    back_up(archive)
    before = archive.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        back_up(archive)
    assert archive.read_bytes() == before

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        back_up(archive.with_name("tuesday.tar.gz"))
    monkeypatch.undo()
    monkeypatch.chdir(checkout)
    (checkout / "mlflow.db").write_bytes(b"no data base" * 1000)
    with pytest.raises(InputError, match=r"mlflow\.db: the data base is damaged"):
        back_up(archive.with_name("tuesday.tar.gz"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no records and no answers are here"):
        back_up(archive.with_name("tuesday.tar.gz"))
    assert list(archive.parent.iterdir()) == [archive]


@pytest.mark.parametrize("name", ["mlflow.db", "mlflow.db-wal", "mlartifacts/1/run/artifacts/report/index.html"])
def test_nothing_that_is_there_is_written_over(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    archive = tmp_path / "monday.tar.gz"
    back_up(archive)
    copy = clone(tmp_path, monkeypatch)
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_bytes(b"mine")
    with pytest.raises(InputError, match=f"{name}: is here with other content"):
        restore(archive)
    assert content(copy) == {name: b"mine"}


def test_a_restore_that_was_killed_is_started_again(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "monday.tar.gz"
    manifest = back_up(archive)
    copy = clone(tmp_path, monkeypatch)
    restore(archive)
    whole = content(copy)
    (copy / "mlflow.db").unlink()
    assert restore(archive) == (manifest, ["mlflow.db"])
    assert content(copy) == whole
    assert restore(archive) == (manifest, [])


@given(st.data())
def test_of_a_damaged_archive_nothing_or_all_is_restored(checkout: Path, tmp_path: Path, data: st.DataObject) -> None:
    archive = tmp_path / "monday.tar.gz"
    if not archive.exists():
        back_up(archive)
    whole = archive.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place]
    if data.draw(st.booleans()):
        damaged += bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    (tmp_path / "damaged.tar.gz").write_bytes(damaged)
    with pytest.MonkeyPatch.context() as patch:
        copy = clone(tmp_path, patch)
        try:
            _, brought = restore(tmp_path / "damaged.tar.gz")
        except InputError:
            assert content(copy) == {}
        else:  # a byte of the head, such as the time
            assert content(copy).keys() == set(brought)
            assert {name: data for name, data in content(copy).items() if name in SMALL} == SMALL


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "tasks/backup.py", "mlartifacts/../x", ".iterpref/x"])
def test_an_archive_of_somebody_else_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    archive = tmp_path / "theirs.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    copy = clone(tmp_path, monkeypatch)
    with pytest.raises(InputError, match="is in no backup"):
        restore(archive)
    assert content(copy) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clone", "theirs.tar.gz"]
