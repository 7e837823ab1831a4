"""Columns: the names of the columns with the prompt and the two answers, from `--columns` or the usual ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iterpref_core.errors import ConfigError

_PARTS = ("prompt", "chosen", "rejected", "task_id", "system")
_EXAMPLE = "prompt=instruction+input,chosen=accepted,rejected=rejected"


@dataclass(frozen=True)
class Columns:
    """The columns of each part of a pair; the texts of several columns are joined by line breaks, in this order."""

    prompt: tuple[str, ...] = ("prompt",)
    chosen: tuple[str, ...] = ("chosen",)
    rejected: tuple[str, ...] = ("rejected",)
    task_id: tuple[str, ...] = ("task_id",)
    system: tuple[str, ...] = ("system",)

    def values(self, row: Mapping[str, Any], part: str) -> list[Any]:
        """Return the values in the columns of a part, without nulls.

        Raises:
            ValueError: the row lacks one of the columns.
        """
        names: tuple[str, ...] = getattr(self, part)
        for name in names:
            if name not in row:
                raise ValueError(
                    f"no column `{name}`; there are {', '.join(row)}: name it with --columns, such as {_EXAMPLE}"
                )
        return [row[name] for name in names if row[name] is not None]

    def has(self, row: Mapping[str, Any], part: str) -> bool:
        """Return True if a row has all columns of a part."""
        names: tuple[str, ...] = getattr(self, part)
        return all(name in row for name in names)


def parse_columns(text: str | None) -> Columns:
    """Return the columns that `--columns` names; other parts have the usual names.

    >>> parse_columns("prompt=instruction+input,chosen=accepted").prompt
    ('instruction', 'input')

    Raises:
        ConfigError: the text is not of this form.
    """
    named: dict[str, tuple[str, ...]] = {}
    assignments = [] if text is None else text.split(",")
    for assignment in assignments:
        left, equals, right = assignment.partition("=")
        part = left.strip()
        names = tuple(name.strip() for name in right.split("+"))
        if not equals or part not in _PARTS or not all(names) or part in named:
            raise ConfigError(
                f"--columns {text!r}: {assignment!r} is none of {', '.join(_PARTS)} = a column; write it as {_EXAMPLE}"
            )
        named[part] = names
    return Columns(**named)
