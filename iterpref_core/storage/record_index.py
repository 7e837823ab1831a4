"""Record index: the records of a file by `task_id`, on disk, so that memory does not grow with them."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from iterpref_core.records import Record
from iterpref_core.storage.sqlite import key_bytes

R = TypeVar("R", bound=Record)


class RecordIndex(Mapping[str, R]):
    """Records in any order, in a temporary file that is gone with the process; each is read when it is asked for.

    Args:
        records: with a `task_id` each, none of them twice.
        kind: their class.
    """

    def __init__(self, records: Iterable[R], kind: type[R]) -> None:
        self._kind = kind
        self._data = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._data.execute("CREATE TABLE records (task_id BLOB PRIMARY KEY, text BLOB NOT NULL) WITHOUT ROWID")
        self._data.execute("BEGIN")
        rows = ((key_bytes(vars(item)["task_id"]), key_bytes(item.to_json())) for item in records)
        self._data.executemany("INSERT INTO records VALUES (?, ?)", rows)

    def __getitem__(self, task_id: str) -> R:
        found = self._data.execute("SELECT text FROM records WHERE task_id = ?", (key_bytes(task_id),)).fetchone()
        if found is None:
            raise KeyError(task_id)
        return self._kind.model_validate_json(found[0])

    def __len__(self) -> int:
        return int(self._data.execute("SELECT count(*) FROM records").fetchone()[0])

    def __iter__(self) -> Iterator[str]:
        for (task_id,) in self._data.execute("SELECT task_id FROM records"):
            yield task_id.decode("utf-8", "surrogatepass")
