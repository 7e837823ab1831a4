"""Run stores: what was set is there after a kill, of the same run alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from iterpref_core.errors import InputError
from iterpref_core.storage.run_store import RunStore
from iterpref_core.storage.sqlite import Database

SCRIPT = """
import os, signal, sys
from pathlib import Path
from iterpref_core.storage.run_store import RunStore
with RunStore(Path(sys.argv[1]), "run") as store:
    for place in range(3000):
        store[str(place)] = {"verdict": "passed", "feedback": "\\udc80" * 100, "cpu_s": 0.1 + place}
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_loses_nothing_that_was_set(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    assert subprocess.run([sys.executable, "-c", SCRIPT, path], check=False).returncode == -9
    with RunStore(path, "run") as store:
        assert store["2999"] == {"verdict": "passed", "feedback": "\udc80" * 100, "cpu_s": 2999.1}
        assert all(str(place) in store for place in range(3000))
        assert "3000" not in store
        with pytest.raises(KeyError):
            store["3000"]
        store.remove()
    assert not list(tmp_path.iterdir())


def test_a_value_is_replaced_and_keys_may_be_any_text(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with RunStore(path, "run") as store:
        store["a\udc80"] = 1
        store["a\udc80"] = [2.5, None]
    with RunStore(path, "run") as store:
        assert store["a\udc80"] == [2.5, None]


def test_what_another_run_left_is_dropped_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "store.sqlite"
    with RunStore(path, "one") as store:
        store["a"] = 1
    with RunStore(path, "one") as store:
        assert "a" in store
    assert not caplog.records
    with RunStore(path, "other") as store:
        assert "a" not in store
        store["b"] = 2
    assert "store.sqlite: what it held is of other inputs or settings, or of another version; begun anew" in caplog.text
    with RunStore(path, "other") as store:
        assert "b" in store


def test_a_file_of_another_form_is_begun_anew_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "store.sqlite"
    Database(path, ["CREATE TABLE finished (task_id BLOB PRIMARY KEY, record TEXT NOT NULL)"], exclusive=True).close()
    with RunStore(path, "run") as store:
        store["a"] = 1
    assert "begun anew" in caplog.text
    with RunStore(path, "run") as store:
        assert store["a"] == 1


def test_a_second_run_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with RunStore(tmp_path / "store.sqlite", "run"), pytest.raises(InputError, match="in progress elsewhere"):
        RunStore(tmp_path / "store.sqlite", "run")
    RunStore(tmp_path / "store.sqlite", "run").remove()
