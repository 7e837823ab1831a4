"""Find out which of two answers a row calls the better one, as `--columns winner=MEANING:COLUMN` states.

The columns of `chosen` and `rejected` hold the two answers then, in any order:

    winner=model_a/model_b:winner          the values that name the answers of `chosen` and `rejected`
    winner=first-second:margin             a number: above 0 `chosen` is better; `second-first:` is the other direction
    winner=first-second:score_a+score_b    the difference of two numbers, in columns or a list; of ranks `second-first:`
"""

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from iterpref_core.problems.ingestion.columns import MARGINS, Columns, DroppedError
from iterpref_core.problems.ingestion.values import Row, read_text_value

_LIKELY = re.compile("winner|prefer|better|rank", re.IGNORECASE)
_SCORE = re.compile("score|rating|reward", re.IGNORECASE)


def first_is_better(row: Row, columns: Columns) -> bool:
    """Return True if the answer of `chosen` is better or no column decides; False if the answer of `rejected` is.

    Raises:
        DroppedError: neither is better, or an unread column seems to decide.
        ValueError: the row lacks the column, or its value is no number where one is expected.
    """
    values = columns.values(row, "winner")
    if not columns.has(row, "winner"):
        is_open = columns.stated & {"chosen", "rejected"} and "winner" not in columns.stated
        likely = [name for name in columns.unread(row) if _LIKELY.search(name)] if is_open else []
        if likely:
            raise DroppedError(
                "unknown_columns",
                f"{likely[0]} may name the better answer; state what it means in --columns: winner=a/b:{likely[0]} if "
                f"its values a and b name the answers of chosen and rejected, winner=first-second:{likely[0]} if it is "
                "a number that is above 0 where chosen is better, or winner= if it decides nothing",
            )
        return True
    names = columns.names["winner"]
    if len(values) < len(names):
        raise DroppedError("no_preference", f"winner: {' or '.join(names)} is empty")
    value = values if len(names) > 1 else read_text_value(values[0])
    if columns.winner in MARGINS:
        lead = _difference(value)
        if math.isnan(lead) or lead == 0:
            raise DroppedError("no_preference", "winner: neither answer is better")
        return (lead > 0) == (columns.winner == MARGINS[0])
    first, second = columns.winner.lower().split("/")
    # In a column with nulls, pandas has 1.0 for 1.
    word = f"{value:g}" if isinstance(value, float) else str(value).strip().lower()
    if word not in (first, second):
        raise DroppedError("no_preference", f"winner: {value!r} is neither {first!r} nor {second!r}")
    return word == first


def contradicting_scores(row: Row, columns: Columns) -> Iterator[tuple[str, str]]:
    """Yield the two columns of each score that favors the row's `rejected`, unless the user states the winner.

    >>> columns = Columns({"chosen": ["a"], "rejected": ["b"]}, "")
    >>> list(contradicting_scores({"score_a": 3.5, "score_b": "4"}, columns))
    [('score_a', 'score_b')]
    """
    if "winner" in columns.stated:
        return
    (chosen, *_), (rejected, *_) = columns.names["chosen"], columns.names["rejected"]
    # `score_a` has its counterpart in `score_b`, if the answers are `a` and `b`.
    part = re.compile(rf"(?<![^\W_]){re.escape(chosen)}(?![^\W_])")
    for name, score in row.items():
        other = part.sub(lambda _: rejected, name)
        if _SCORE.search(name) and other != name and other in row:
            with suppress(TypeError, ValueError):  # a null, or words
                if float(score) < float(row[other]):
                    yield name, other


def _difference(value: Any) -> float:
    """Return a number, or the difference of two.

    Raises:
        ValueError: there is something else.
    """
    try:
        match list(map(float, value if isinstance(value, list) else [value])):
            case [lead]:
                return lead
            case [first, second]:
                return first - second
    except (TypeError, ValueError):
        pass
    raise ValueError(f"winner: a number or two are expected, not {value!r}")
