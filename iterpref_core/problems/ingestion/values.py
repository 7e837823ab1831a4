r"""Read the values of rows, which sets publish in several shapes, as JSON or as JSON in a text.

Many sets have JSON in a text, since their columns differ from row to row, and some a Python literal. The same list of
tests is published as

    {"input": ["1\n", "2\n"], "output": ["2\n", "4\n"]}                      columns (Parquet of a nested sequence)
    [{"input": "1\n", "output": "2\n"}, {"input": "2\n", "output": "4\n"}]    rows (JSON)
"""

import ast
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from iterpref_core.records import RepeatedKeyError, parse_json

_TIME = re.compile(r"(\d+(?:\.\d+)?) ?(ms|milliseconds?|s|secs?|seconds?|)")
"""A number with its unit, or without one: `2`, `2.0 seconds`, `500 ms`."""
Row = Mapping[str, Any]
"""A row of a set: name of a column -> its value."""


def read_text_value(value: Any) -> Any:
    """Return a value; read the text of a list or object as JSON or as a Python literal, and a blank text as None.

    A text that is neither stays a text: a program may begin with a bracket.

    >>> read_text_value("{'input': None}"), read_text_value('{"input": null}'), read_text_value("[1, 2")
    ({'input': None}, {'input': None}, '[1, 2')

    Raises:
        RepeatedKeyError: a key occurs twice in one object.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text.startswith(("[", "{", '"[', '"{')):
        return value if text else None
    try:
        # SYNTHETIC-2 has JSON in a text, within JSON in a text.
        return read_text_value(parse_json(text))
    except RepeatedKeyError:
        raise
    except ValueError:
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return ast.literal_eval(text)
    return value


def read_list(value: Any) -> list[Any]:
    """Return a list, or JSON of it in a text; an empty list for null and an empty text.

    Raises:
        ValueError: the value is something else.
    """
    found = read_text_value(value)
    if found is None:
        return []
    if not isinstance(found, list | tuple):
        raise ValueError(f"a list is expected, not {type(found).__name__}")
    return list(found)


def read_license(value: Any) -> str | None:
    """Return the license in a row's column, a text or a list of texts, also as JSON; None for an empty column.

    >>> read_license("mit"), read_license(["MIT OR ISC", None, "GPL-3.0"]), read_license("")
    ('mit', '(MIT OR ISC) AND GPL-3.0', None)

    Raises:
        ValueError: the column holds something else, which may state a license all the same.
    """
    read = read_text_value(value)
    names = read if isinstance(read, list) else [value]
    if not all(name is None or isinstance(name, str) for name in names):
        raise ValueError(f"a license is a text or a list of texts, not {value!r}")
    stated = list(dict.fromkeys(name.strip() for name in names if name and name.strip()))
    if len(stated) < 2:
        return "".join(stated) or None
    # In SPDX's expressions AND binds more strongly than OR.
    return " AND ".join(f"({name})" if " OR " in name else name for name in stated)


def as_text(value: Any) -> str:
    r"""Return the input or output of a program as one text: some sets publish a list of lines, or a number, instead.

    >>> as_text(["3", "1 2 3"]), as_text(6), as_text("6\n"), as_text(None)
    ('3\n1 2 3', '6', '6\n', '')

    Raises:
        ValueError: the value is an object, or a line of it is null, so that the text is unknown.
    """
    if isinstance(value, Mapping) or (isinstance(value, list) and None in value):
        raise ValueError("field 'tests': the input and output of a script are texts, not objects, and no line is null")
    if isinstance(value, list):
        return "\n".join(as_text(line).removesuffix("\n") for line in value)
    return "" if value is None else str(value)


def as_rows(value: Any, *names: str) -> list[tuple[Any, ...]]:
    """Return a table as rows with the named columns, from either shape above; None is an empty table.

    >>> as_rows({"input": [1, 2], "output": [3, 4]}, "input", "output")
    [(1, 3), (2, 4)]
    >>> as_rows([{"input": 1, "output": 3}], "input", "output"), as_rows({"input": 1, "output": 3}, "input", "output")
    ([(1, 3)], [(1, 3)])

    Raises:
        ValueError: a column is missing, or not as long as the others.
    """
    table = read_text_value(value)
    if not table:
        return []
    rows = [table] if isinstance(table, Mapping) else table
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(f"a table with {' and '.join(names)} is expected")
    # Parquet has no field that is null, but some row has it.
    fields = dict.fromkeys(name for row in rows for name in row)
    absent = [name for name in names if name not in fields]
    if absent:
        raise ValueError(
            f"a table has no field {absent[0]!r}, but {', '.join(fields)}; --columns can name a field, as in "
            f"tests=COLUMN.{next(iter(fields))}"
        )
    if isinstance(table, Mapping) and any(isinstance(read_text_value(table[name]), list | tuple) for name in names):
        columns = [read_list(table[name]) for name in names]
        if len(set(map(len, columns))) != 1:
            raise ValueError(f"{' and '.join(names)} are lists of one length, not of {[*map(len, columns)]}")
        # Columns become rows: [[1, 2], [3, 4]] gives (1, 3) and (2, 4).
        return list(zip(*columns, strict=True))
    return [tuple(map(row.get, names)) for row in rows]


def read_time_limit(value: Any) -> float | None:
    """Return a time limit in seconds, or None if the value states none.

    A number from 100 on without a unit is milliseconds: problems do not have limits of 100 seconds.

    >>> [read_time_limit(value) for value in ("2.5 seconds", "1000 ms", 1500, 2, "", -1)]
    [2.5, 1.0, 1.5, 2.0, None, None]
    >>> read_time_limit({"seconds": 2, "nanos": 500_000_000})
    2.5

    Raises:
        ValueError: the value is not a number of seconds or milliseconds.
    """
    if isinstance(value, Mapping) and {"seconds", "nanos"} & value.keys():
        # Protobuf's `Duration` in CodeContests, which has 0 where the site states no limit.
        value = float(value.get("seconds") or 0) + float(value.get("nanos") or 0) / 1e9
    if value is None or value == "" or (isinstance(value, int | float) and value <= 0):
        return None
    found = _TIME.fullmatch(f"{value:f}" if isinstance(value, float) else str(value).strip().lower())
    if found is None:
        raise ValueError(
            f"time_limit: {value!r} is not a time such as 2, '2 s' or '500 ms'; correct it or add --columns time_limit="
        )
    limit = float(found[1])
    in_milliseconds = found[2].startswith("m") or (not found[2] and limit >= 100)
    return limit / 1000 if in_milliseconds else limit or None
