"""What is made once appears whole, and is made by one of those that want it."""

import errno
import threading
from pathlib import Path

import pytest

from iterpref_core.records.errors import StorageError
from iterpref_core.storage.make_once import make_once

NO_PROCESS = 2**22 + 1  # Linux has no higher number


def test_what_failed_half_way_leaves_nothing(tmp_path: Path) -> None:
    def fail(out: Path) -> None:
        out.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        make_once(tmp_path / "made", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".made.lock"]
    assert make_once(tmp_path / "made", lambda out: out.write_text("whole")).read_text() == "whole"
    assert make_once(tmp_path / "made", fail).read_text() == "whole"


def test_a_full_disk_is_told_by_the_name_of_what_is_made(tmp_path: Path) -> None:
    def fail(out: Path) -> None:
        out.write_text("half")
        raise OSError(errno.EFBIG, "File too large")

    with pytest.raises(StorageError, match=f"^{tmp_path}/made: File too large; raise the limit"):
        make_once(tmp_path / "made", fail)


def test_what_a_kill_left_of_a_folder_is_not_part_of_it(tmp_path: Path) -> None:
    left = tmp_path / f".made.{NO_PROCESS}.partial"
    left.mkdir()
    (left / "half").touch()

    def make(out: Path) -> None:
        out.mkdir()
        (out / "whole").touch()

    assert [path.name for path in make_once(tmp_path / "made", make).iterdir()] == ["whole"]
    assert not left.exists()


def test_of_two_that_want_it_one_makes_it_and_the_other_waits(tmp_path: Path) -> None:
    begun, made = threading.Event(), []

    def make(out: Path) -> None:
        begun.set()
        made.append(out)
        other.join(0.2)
        assert other.is_alive(), "it waits"
        out.write_text("first")

    other = threading.Thread(target=lambda: begun.wait() and make_once(tmp_path / "made", made.append))
    other.start()
    make_once(tmp_path / "made", make)
    other.join()
    assert len(made) == 1
