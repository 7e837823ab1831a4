"""SQLite files: shared, and what is said when one cannot be used."""

import threading

import pytest

from iterpref_core.records import InputError, StorageError
from iterpref_core.storage.sqlite import Database

SCHEMA = ("CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY)",)


def test_a_full_disk_is_told_and_what_is_in_the_file_stays(tmp_path):
    data = Database(tmp_path / "data.sqlite", SCHEMA)
    data.execute("INSERT INTO kept VALUES ('first')")
    data.execute("PRAGMA max_page_count = 8")  # SQLite reports a full disk the same way
    with pytest.raises(StorageError, match=r"data\.sqlite: No space left on device; free some space"):
        data.execute("INSERT INTO kept VALUES (?)", ("x" * 100_000,))
    assert data.execute("SELECT name FROM kept") == [("first",)]
    data.close()


def test_what_is_no_such_file_is_named(tmp_path):
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(InputError, match=r"folder\.sqlite: cannot be used"):
        Database(tmp_path / "folder.sqlite", SCHEMA)
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to be looked at as one " * 20)
    with pytest.raises(InputError, match=r"text\.sqlite: cannot be used"):
        Database(tmp_path / "text.sqlite", SCHEMA)


def test_a_file_is_closed_once_no_statement_runs(tmp_path):
    """SQLite's library reads freed memory otherwise, and the process ends."""
    data = Database(tmp_path / "data.sqlite", SCHEMA)
    closing = threading.Thread(target=data.close)
    with data._lock:
        closing.start()
        closing.join(0.1)
        assert closing.is_alive(), "it waits"
    closing.join()
