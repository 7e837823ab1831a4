"""What is made once appears whole, and is made by one of the processes."""

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from iterpref_core.records import InputError
from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.make_once import make_once
from iterpref_core.storage.new_folder import new_folder


def test_what_failed_half_way_leaves_nothing(tmp_path):
    def fail(out):
        out.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        make_once(tmp_path / "made", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".made.lock"]
    assert make_once(tmp_path / "made", lambda out: out.write_text("whole")).read_text() == "whole"
    assert make_once(tmp_path / "made", fail).read_text() == "whole"


def test_of_two_that_want_it_one_makes_it_and_the_other_waits(tmp_path):
    begun, made = threading.Event(), []

    def make(out):
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


def fill(folder, name):
    with new_folder(folder, replace=True) as partial:
        (partial / name).touch()


def names_in(path):
    return [[file.name for file in folder.iterdir()] for folder in path.iterdir()]


@pytest.mark.parametrize("call", [2, 3, 4])
def test_a_kill_at_any_step_leaves_a_whole_folder(tmp_path, call):
    """A process is killed at one of the two renamings, or at the removal behind them."""
    fill(tmp_path / "model", "old")
    process = os.fork()
    if process == 0:
        steps = iter(range(1, 9))

        def kill(step):
            def wrapped(*given, **named):
                if next(steps) == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return step(*given, **named)

            return wrapped

        Path.rename = kill(Path.rename)
        Path.replace = kill(Path.replace)
        shutil.rmtree = kill(shutil.rmtree)
        fill(tmp_path / "model", "new")
        os._exit(1)
    _, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    with pytest.raises(RuntimeError), new_folder(tmp_path / "model", replace=True):
        raise RuntimeError
    assert names_in(tmp_path) == [["new" if call == 4 else "old"]]
    fill(tmp_path / "model", "newest")
    assert names_in(tmp_path) == [["newest"]]


def test_a_symbolic_link_is_written_through_and_a_pipe_is_refused(tmp_path):
    (tmp_path / "other").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "other" / "target")
    with atomic_writer(link) as file:
        file.write("new")
    assert link.is_symlink()
    assert (tmp_path / "other" / "target").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: is a device or a pipe; name a file"), atomic_writer(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()
