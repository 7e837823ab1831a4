r"""Fields of published rows: the same content is published in several shapes.

Many sets have JSON in a text, since their columns differ from row to row. The same list of tests is published as

    {"input": ["1\n", "2\n"], "output": ["2\n", "4\n"]}                      columns (Parquet of a nested sequence)
    [{"input": "1\n", "output": "2\n"}, {"input": "2\n", "output": "4\n"}]    rows (JSON)
"""

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from iterpref_core.ingestion.row_text import parse_json
from iterpref_core.input_files import RepeatedKeyError

Json = str | int | float | bool | list[Any] | dict[str, Any] | None
"""A field that holds JSON, or a text with JSON in it."""


def read_json(field: str, value: Json) -> Any:
    """Return a field's value: a text is read as JSON; an empty text is None.

    Raises:
        RepeatedKeyError: a key stands twice in one object.
        ValueError: the text is not JSON.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return parse_json(value)
    except RepeatedKeyError as error:
        raise RepeatedKeyError(f"field '{field}': {error}") from None
    except ValueError as error:
        raise ValueError(f"field '{field}': a text with JSON is expected ({error})") from None


def read_list(field: str, value: Json) -> list[Any]:
    """Return a list, or JSON of it in a text; an empty list for null and an empty text.

    Raises:
        ValueError: the field holds something else.
    """
    found = read_json(field, value)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ValueError(f"field '{field}': a list is expected, not {type(found).__name__}")
    return found


def read_object(field: str, value: Json) -> Mapping[str, Any]:
    """Return an object, or JSON of it in a text; an empty one for null and an empty text.

    Raises:
        ValueError: the field holds something else.
    """
    found = read_json(field, value)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ValueError(f"field '{field}': an object is expected, not {type(found).__name__}")
    return found


def read_literal(field: str, value: Json) -> Any:
    """Return a field's value as `read_json` does; a text may also be a Python literal, as some sets have been written.

    >>> read_literal("tests", "{'input': None}"), read_literal("tests", '{"input": null}')
    ({'input': None}, {'input': None})

    Raises:
        RepeatedKeyError: a key stands twice in one object or dictionary.
        ValueError: the text is neither.
    """
    try:
        return read_json(field, value)
    except RepeatedKeyError:
        raise
    except ValueError as error:
        try:
            return _literal(field, str(value))
        except RepeatedKeyError:
            raise
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise ValueError(f"{error}, or a Python literal") from None


def _literal(field: str, text: str) -> Any:
    tree = ast.parse(text.strip(), mode="eval")
    for node in ast.walk(tree):
        keys = [ast.unparse(key) for key in node.keys if key is not None] if isinstance(node, ast.Dict) else []
        for key, count in Counter(keys).items():
            if count > 1:
                raise RepeatedKeyError(f"field '{field}': the key {key} stands twice in one dictionary")
    return ast.literal_eval(tree)


def read_texts(field: str, value: Json, left_out: Counter[str]) -> list[str]:
    """Return a list of texts, such as programs; an empty list for an empty field.

    Args:
        field: name of the field, for the message.
        value: the list, or JSON of it in a text.
        left_out: counts the items that are no texts, such as null, as `no_text`.

    Raises:
        ValueError: the field holds something else.
    """
    found = read_list(field, value)
    texts = [text for text in found if isinstance(text, str)]
    if len(texts) < len(found):
        left_out["no_text"] += len(found) - len(texts)
    return texts


def as_text(value: Any) -> str:
    r"""Return the input or output of a program as one text: some sets publish a list of lines, or a number, instead.

    >>> as_text(["3", "1 2 3"]), as_text(6), as_text("6\n")
    ('3\n1 2 3', '6', '6\n')

    Raises:
        ValueError: the value is an object, or a line of it is null: nothing says which text is meant.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        raise ValueError("field 'tests': the input and output of a script are texts, not objects")
    if isinstance(value, Sequence):
        if None in value:
            raise ValueError("field 'tests': a line of a script's input or output is null")
        return "\n".join(as_text(line).removesuffix("\n") for line in value)
    if isinstance(value, int) and not isinstance(value, bool):
        # `str` refuses integers of more than 4,300 digits.
        return format(Decimal(value), "f")
    return "" if value is None else str(value)


def as_rows(field: str, value: Any, *names: str) -> list[tuple[Any, ...]]:
    """Return a table as rows with the named columns, from either shape above; None is an empty table.

    >>> as_rows("tests", {"input": [1, 2], "output": [3, 4]}, "input", "output")
    [(1, 3), (2, 4)]
    >>> as_rows("tests", [{"input": 1, "output": 3}], "input", "output")
    [(1, 3)]

    Raises:
        ValueError: a column is missing, or not as long as the others.
    """
    if value is None:
        return []
    if isinstance(value, Mapping):
        return _rows_of_columns(field, value, names)
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise ValueError(f"field '{field}': a table with {', '.join(map(repr, names))} is expected")
    for name in names:
        # Parquet has no field that is null.
        if value and not any(name in row for row in value):
            raise ValueError(f"field '{field}.{name}': Field required")
    return [tuple(row.get(name) for name in names) for row in value]


def _rows_of_columns(
    field: str,
    table: Mapping[str, Any],
    names: Sequence[str],
) -> list[tuple[Any, ...]]:
    columns = []
    sizes = {}
    for name in names:
        column = table.get(name) or []
        if not isinstance(column, list):
            raise ValueError(f"field '{field}': lists are expected under {', '.join(map(repr, names))}")
        columns.append(column)
        sizes[name] = len(column)
    if len(set(sizes.values())) != 1:
        shown = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
        raise ValueError(f"field '{field}': lists of one length are expected ({shown})")
    # Columns become rows: [[1, 2], [3, 4]] gives (1, 3) and (2, 4).
    return list(zip(*columns, strict=True))
