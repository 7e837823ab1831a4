"""Error regions of one pair at a time, for pairs that are not in our files."""

from collections.abc import Mapping
from typing import Any, get_args

from iterpref_core.pairs.localization.line_lcs import ErrorRegion
from iterpref_core.pairs.localization.localization import ON_TEXT
from iterpref_core.records.config import LocalizationMethod
from iterpref_core.records.errors import ConfigError, unknown_name


def localize(
    rejected: str,
    chosen: str,
    method: LocalizationMethod = "line_lcs",
) -> ErrorRegion:
    r"""Return the error region of a failing program, given the program that passes.

    Args:
        rejected: the failing program.
        chosen: the passing program.
        method: a method that reads the two programs alone.

    Raises:
        ConfigError: there is no such method, or it runs programs, for which it needs tests.

    >>> rejected = "def f(x):\n    return -x\n"
    >>> region = localize(rejected, "def f(x):\n    return x\n")
    >>> [rejected[start:end] for start, end in region.rejected]
    ['    return -x']
    """
    if method not in get_args(LocalizationMethod):
        raise ConfigError(f"method: {unknown_name('method', str(method), ON_TEXT)}")
    if method not in ON_TEXT:
        raise ConfigError(
            f"method: {method!r} runs programs; use `localize_pairs`, or one of {', '.join(ON_TEXT)} here"
        )
    return ON_TEXT[method](rejected, chosen)


def mark_errors(row: Mapping[str, Any], method: LocalizationMethod = "line_lcs") -> dict[str, list[list[int]]]:
    r"""Return D- and D+ of a row with the columns `rejected` and `chosen`; for `datasets.Dataset.map`.

    If a fix only inserts, D- has no text. The line in the place of the insertion then stands for D-, as in the stage
    `localization`.

    Args:
        row: a pair of texts, or of messages whose last one is the program; other columns are ignored.
        method: a method that reads the two programs alone.

    Returns:
        `rejected_spans` and `chosen_spans`: [start, end) of each region, in characters. Equal programs have no region;
        such a pair teaches a focal objective nothing about its rejected program.

    Raises:
        ConfigError: there is no such method, or it runs programs, for which it needs tests.

    >>> mark_errors({"rejected": "def f(x):\n    return -x\n", "chosen": "def f(x):\n    return x\n"})
    {'rejected_spans': [[10, 23]], 'chosen_spans': [[10, 22]]}
    """
    region = localize(
        rejected=_program(row["rejected"]),
        chosen=_program(row["chosen"]),
        method=method,
    )
    rejected = region.rejected or region.anchors
    return {
        "rejected_spans": [list(span) for span in rejected],
        "chosen_spans": [list(span) for span in region.chosen],
    }


def _program(side: Any) -> str:
    """Return the program of one side of a pair: the text, or the content of the last message."""
    if isinstance(side, str):
        return side
    answer: str = side[-1]["content"]
    return answer
