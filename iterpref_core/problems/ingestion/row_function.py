"""Make other rows of rows, such as problems by a function of the user's (`ingest --format FILE.py:function`)."""

import runpy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic_core import to_json

from iterpref_core.records import InputError, Problem, parse_json_at
from iterpref_core.storage.dropped import BAD_RECORD, Dropped
from iterpref_core.storage.items import Item

from .columns import DroppedError

RowFunction = Callable[[Any], Any]
"""Takes a row; returns a problem, several, or None to leave the row out; a `DroppedError` has the reason for a part."""


def load_function(place: str) -> RowFunction:
    """Return the function that `FILE.py:function` names.

    Raises:
        InputError: there is none, or its file cannot be run.
    """
    path, _, name = place.rpartition(":")
    try:
        function: RowFunction = runpy.run_path(path)[name]
    except Exception as error:  # noqa: BLE001 - a file of the user's may raise anything
        fault = f"{type(error).__name__}: {error}"
        raise InputError(f"--format {place}: {path} gives no function {name!r} ({fault}); correct the file") from None
    return function


def make_rows(items: Iterable[Item], function: RowFunction) -> Iterator[Item | Dropped]:
    """Yield the rows that a function makes of each row, or the reason why it makes none."""
    for item in items:
        try:
            made = function(parse_json_at(item.text, item.where))
            rows = [made] if isinstance(made, dict | Problem) else list(made or ())
            texts: list[str | DroppedError] = [
                row if isinstance(row, DroppedError) else to_json(row).decode() for row in rows
            ]
        except DroppedError as error:
            texts = [error]
        except Exception as error:  # noqa: BLE001 - a function of the user's may raise anything
            fault = f"nothing is made of it ({type(error).__name__}: {error})"
            yield Dropped(BAD_RECORD, str(item.where), explanation=fault)
            continue
        for text in texts or [DroppedError("not_wanted", "the function returns nothing for it")]:
            if isinstance(text, DroppedError):
                yield Dropped(text.reason, str(item.where), explanation=str(text))
            else:
                yield item._replace(text=text)
