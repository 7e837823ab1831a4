"""Joins: rows of a second file, such as statements or tests, whose columns are added to the rows of the first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterpref_core.problems.ingestion.columns import Columns, listed, read_name
from iterpref_core.problems.ingestion.problems.published import LeftOutError
from iterpref_core.problems.ingestion.rows import each_row, read_object
from iterpref_core.problems.ingestion.values import read_license
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.records.input_files import is_null
from iterpref_core.storage.items import Item
from iterpref_core.storage.left_out import BAD_RECORD, Dropped

_PART = "joined_rows"
"""The name for rows of a second file, in the counts of what is left out."""


@dataclass(frozen=True)
class Join:
    """Rows of a second file, by the value of a column.

    Attributes:
        column: column of the first file.
        rows: value → row.
    """

    column: str
    rows: Mapping[str, Mapping[str, Any]]

    def extend(self, row: Mapping[str, Any], columns: Columns) -> Mapping[str, Any]:
        """Return a row with the columns of its partner; columns of its own stay, except nulls. Both licenses count.

        Raises:
            LeftOutError: there is no partner, or the row's value is null.
            ValueError: the row lacks the column, its value is no name, or a license is no text.
        """
        if self.column not in row:
            raise ValueError(f"no column `{self.column}`, which --join names; there are {listed(row)}")
        key = read_name(row[self.column], self.column)
        if key is None:
            raise LeftOutError("not_joined", f"its `{self.column}` is null")
        partner = self.rows.get(key)
        if partner is None:
            raise LeftOutError("not_joined", f"the joined file has no row with {self.column} {key!r}")
        own = {name: value for name, value in row.items() if not is_null(value)}
        # A null of a column that the partner lacks stays: without it the column would count as misspelled.
        joined = {**row, **partner, **own}
        for name in columns.names["license"]:
            licenses = [read_license(source.get(name)) for source in (row, partner)]
            if any(licenses):
                joined[name] = licenses
        return joined


def read_join(path: Path, how: str, leave_out: Callable[[Dropped], None]) -> Join:
    """Read the file of `--join FILE on=COLUMN`, or `on=COLUMN:COLUMN OF THE FILE`.

    With `all=` in place of `on=`, a value may have several rows, such as the tests of a problem; each of their columns
    becomes a list.

    Args:
        path: the file.
        how: the columns.
        leave_out: takes the rows that no other row can be joined with.

    Raises:
        ConfigError: `how` is not of this form.
        InputError: the file is absent, lacks the column, or has two different rows of one value with `on=`.
    """
    word, _, columns = how.partition("=")
    column, _, other = columns.partition(":")
    if word not in {"on", "all"} or not column:
        raise ConfigError(f"--join {path} {how}: write it as --join {path} on=COLUMN, or all=COLUMN")
    other = other or column
    rows: dict[str, dict[str, Any]] = {}
    has_column = False
    for item in each_row([path]):
        try:
            row = read_object(item)
            has_column = has_column or other in row
            key = read_name(row.get(other), other)
        except ValueError as error:
            leave_out(Dropped(BAD_RECORD, str(item.where), explanation=str(error), part=_PART))
            continue
        if key is None:
            leave_out(Dropped("null", str(item.where), explanation=f"its `{other}` is null", part=_PART))
        elif word == "all":
            _collect(row, rows.setdefault(key, {}), other, item)
        elif rows.setdefault(key, row) != row:
            raise InputError(
                f"{item.where}: a second row with {other} {key!r}, and they differ; join by another column, "
                f"or take all rows with all={columns}"
            )
    if not has_column:
        raise InputError(f"{path}: no row has the column {other!r}, which --join names; name another one")
    return Join(column, rows)


def _collect(row: Mapping[str, Any], lists: dict[str, Any], key: str, item: Item) -> None:
    """Add a row's values to the lists of its columns.

    Raises:
        InputError: the row has other columns than the rows before.
    """
    names = [name for name in row if name != key]
    if lists and set(lists) != set(names):
        raise InputError(f"{item.where}: its columns are {', '.join(names)}, and those before {', '.join(lists)}")
    for name in names:
        lists.setdefault(name, []).append(row[name])
