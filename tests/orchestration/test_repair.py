"""What a crash leaves in DVC's folders is removed, and nothing else is."""

from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from iterpref_core.errors import StorageError
from tasks.orchestration.repair import check_inputs, mend_dvc


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file and a folder of two files, in DVC's cache."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  make:\n    cmd: mkdir folder; echo one >a; echo two >folder/b; echo three >folder/c\n"
        "    outs: [a, folder]\n",
        encoding="utf-8",
    )
    with Repo.init(no_scm=True) as repo:
        repo.reproduce()
    return tmp_path


def cached(repository: Path, output: str) -> Path:
    stages = yaml.safe_load((repository / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    (md5,) = [out["md5"] for out in stages["make"]["outs"] if out["path"] == output]
    return repository / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


def cut(path: Path) -> Path:
    """As a crash of the machine may leave it: read-only, and half of it missing."""
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.unlink()
    path.write_bytes(half)
    path.chmod(0o444)
    return path


def test_a_whole_repository_is_left_alone(repository: Path) -> None:
    before = sorted(repository.rglob("*"))
    assert list(mend_dvc(repository)) == []
    assert sorted(repository.rglob("*")) == before


@pytest.mark.parametrize("part", ["file", "list of a folder", "file of a folder"])
def test_a_half_written_object_is_removed_and_made_again(repository: Path, part: str) -> None:
    folder = cached(repository, "folder")
    of_folder = next(path for path in folder.parents[1].rglob("*") if path.is_file() and path.read_bytes() == b"two\n")
    path = cut({"file": cached(repository, "a"), "list of a folder": folder, "file of a folder": of_folder}[part])
    (message,) = mend_dvc(repository)
    assert message == f"{path}: was not whole; removed from DVC's cache"
    assert not path.exists()
    lock = (repository / "dvc.lock").read_bytes()
    for name in ("a", "folder/b", "folder/c"):
        (repository / name).unlink()
    (repository / "folder").rmdir()
    with Repo() as repo:
        repo.reproduce()
    assert (repository / "dvc.lock").read_bytes() == lock
    assert (repository / "folder" / "b").read_text(encoding="ascii") == "two\n"
    assert list(mend_dvc(repository)) == []


@pytest.mark.parametrize("name", ["a", "folder", "folder/b"])
def test_a_stage_refuses_an_input_that_dvc_may_have_from_half_a_file(repository: Path, name: str) -> None:
    check_inputs(lambda: ["a", "folder"], repository)
    output = name.removesuffix("/b")
    path = cut(cached(repository, output))
    check_inputs(lambda: ["folder" if name == "a" else "a", "elsewhere"], repository)
    with pytest.raises(StorageError, match=f"^{output}: DVC has it from {path}, which is not whole"):
        check_inputs(lambda: [name], repository)


def test_a_stage_takes_an_input_that_somebody_edited(repository: Path) -> None:
    (repository / "a").unlink()
    (repository / "a").write_text("another content", encoding="utf-8")
    check_inputs(lambda: ["a"], repository)


def test_a_lock_file_that_dvc_cannot_read_is_emptied(repository: Path) -> None:
    rwlock = repository / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text('{"write": {', encoding="utf-8")
    (message,) = mend_dvc(repository)
    assert "rwlock: was not whole" in message
    with Repo() as repo:
        assert repo.reproduce() == []


def test_a_cache_elsewhere_is_looked_at(repository: Path) -> None:
    (repository / ".dvc" / "config.local").write_text("[cache]\n    dir = ../elsewhere\n", encoding="utf-8")
    (repository / ".dvc" / "cache").rename(repository / "elsewhere")
    md5 = cached(repository, "a").relative_to(repository / ".dvc" / "cache")
    path = cut(repository / "elsewhere" / md5)
    with pytest.raises(StorageError, match=f"^a: DVC has it from {path}"):
        check_inputs(lambda: ["a"], repository)


def test_dvc_is_not_asked_for_inputs_where_all_is_whole(repository: Path) -> None:
    def inputs() -> list[str]:
        raise AssertionError("it takes DVC a second to tell")

    check_inputs(inputs, repository)
