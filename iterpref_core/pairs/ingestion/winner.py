"""Find out which of two answers a row calls the better one.

The columns of `chosen` and `rejected` hold the two answers then, in any order, and the part `winner` decides:

    winner=winner                           a word: `model_a`, `b`, `response_2`, `left`, `tie`
    winner=overall_preference               a sign: below 0 the first is better, above 0 the second (HelpSteer)
    winner=completions.rank                 two ranks, in columns or a list: the lower one is better
    winner=winner_model_a+winner_model_b    two scores, in columns or a list: the higher one is better
"""

import re
from typing import Any

from iterpref_core.problems.ingestion.columns import Columns, LeftOutError
from iterpref_core.problems.ingestion.values import Row, read_text_value

_TIE = re.compile(r"(?:a )?(?:tie|draw|both|neither|none|equal|same)")
# Names of columns where the sign of a number decides. A 1 in another column may name either answer.
_SIGNED = re.compile("overall_preference|strength|margin|difference", re.IGNORECASE)
_LIKELY = re.compile("winner|prefer|better|rank", re.IGNORECASE)
_NOUN = "(?:model|response|answer|assistant|conversation|completion|candidate|option|output|solution|program|choice)"
_ENDS = (("a", "b"), ("first", "second"), ("left", "right"))


def first_is_better(row: Row, columns: Columns) -> bool:
    """Return True if the answer of `chosen` is better or no column decides; False if the answer of `rejected` is.

    Raises:
        LeftOutError: neither is better, or an unread column seems to decide.
        ValueError: the row lacks a column that the user names, or its value names neither answer.
    """
    values = columns.values(row, "winner")
    if not columns.has(row, "winner"):
        is_open = columns.stated & {"chosen", "rejected"} and "winner" not in columns.stated
        likely = [name for name in columns.unread(row) if _LIKELY.search(name)] if is_open else []
        if likely:
            raise LeftOutError(
                "unknown_columns",
                f"{likely[0]} may name the better answer; add --columns winner={likely[0]}, or winner= if not",
            )
        return True
    names = columns.names["winner"]
    if len(values) < len(names):
        raise LeftOutError("no_preference")
    value = values if len(names) > 1 else read_text_value(values[0])
    if isinstance(value, list):
        scores = [score for score in map(_number, value) if score is not None]
        if len(scores) != 2 or len(value) != 2:
            raise ValueError(f"winner: two numbers are expected, not {value!r}")
        difference: float | None = scores[1] - scores[0]
        # Rank 0 is better than rank 1.
        sign = -1 if "rank" in names[0].lower() else 1
    elif _SIGNED.search(names[0]):
        difference = _number(value)
        sign = 1
    else:
        return _names_first(value, [columns.names[part][0] for part in ("chosen", "rejected")])
    if difference is None:
        raise ValueError(f"winner: a number is expected, not {value!r}")
    if difference == 0:
        raise LeftOutError("no_preference")
    return sign * difference < 0


def _names_first(value: Any, sides: list[str]) -> bool:
    """Return True if a word names the first of two answers, False if it names the second.

    Raises:
        LeftOutError: the word calls it a tie.
        ValueError: the word names neither answer.
    """
    number = _number(value)
    # In a column with nulls, pandas has 1.0 for 1.
    word = f"{number:g}" if number is not None else str(value or "").strip().lower()
    if not word or _TIE.match(word):
        raise LeftOutError("no_preference")
    parts = [re.findall(r"[a-z]+|\d+", side.lower()) for side in sides]
    # `answers.0.text` and `answers.1.text` differ in `0` and `1`, which then name the answers.
    differing = [pair for pair in zip(*parts, strict=False) if pair[0] != pair[1]]
    for ends in (sides, *differing[:1], *_ENDS):
        for is_first, end in zip((True, False), ends, strict=True):
            if re.fullmatch(f"(?:{_NOUN}[ _-]?)?{re.escape(end.lower())}", word):
                return is_first
    raise ValueError(
        f"winner: {value!r} names neither of `{sides[0]}` and `{sides[1]}`; write `a` or `b`, or add --columns winner= "
        "if the column means something else"
    )


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
