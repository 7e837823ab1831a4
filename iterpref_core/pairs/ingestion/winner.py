"""Find out which of two answers a row calls the better one.

The columns of `chosen` and `rejected` hold the two answers then, in any order, and the part `winner` decides:

    winner=winner                           a word: `model_a`, `b`, `response_2`, `left`, `A>B`, `[[B]]`, `tie`
    winner=overall_preference               a sign: below 0 the first is better, above 0 the second (HelpSteer)
    winner=first-second:margin              a margin: the score of `chosen` without that of `rejected`
    winner=true/false:first_is_better       the values that name the two answers
    winner=completions.rank                 two ranks, in columns or a list: the lower one is better
    winner=winner_model_a+winner_model_b    two scores, in columns or a list: the higher one is better
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from iterpref_core.problems.ingestion.columns import MARGINS, Columns, LeftOutError
from iterpref_core.problems.ingestion.values import Row, read_text_value
from iterpref_core.records import ConfigError

_TIE = re.compile(r"(?<![a-z])(?:tie|draw|both|neither|none|equal|same)|=|\[\[c\]\]")
# HelpSteer's columns, in which a sign decides.
_SIGNED = re.compile("overall_preference|preference_strength", re.IGNORECASE)
_MARGIN = re.compile("margin|diff|delta|gap", re.IGNORECASE)
_LIKELY = re.compile("winner|prefer|better|rank", re.IGNORECASE)
_RANK = re.compile("ranks?|ranking")
_SCORE = re.compile("scores?|points?|elo|ratings?")
_WORD = re.compile(r"[a-z]+|\d+|[<>]+")
_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_FILLING = re.compile(
    "model|response|answer|assistant|conversation|completion|candidate|option|output|solution|program|choice|winner|"
    "boxed|the|is|was|slightly|significantly|much|far|better|preferred|best|wins?|won"
)
"""Words around the name of an answer: `Response B is slightly better`."""
_ENDS = (("a", "b"), ("first", "second"), ("left", "right"))
_SHORT = 40
"""Characters of a text that may be a judge's word."""


def first_is_better(row: Row, columns: Columns) -> bool:
    """Return True if the answer of `chosen` is better or no column decides; False if the answer of `rejected` is.

    Raises:
        LeftOutError: neither is better, or an unread column seems to decide.
        ValueError: the row lacks a column that the user names, or its value names neither answer.
        ConfigError: the column may count the answers from another number than their names do.
    """
    values = columns.values(row, "winner")
    if not columns.has(row, "winner"):
        likely = [name for name in columns.unread(row) if _LIKELY.search(name)] if _is_open(columns) else []
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
    sides = [columns.names[part][0] for part in ("chosen", "rejected")]
    if columns.winner and columns.winner not in MARGINS:
        return _names_first(value, columns.winner.lower().split("/"), ())
    if isinstance(value, list):
        return _leads(_lead_of_two(value, names, sides))
    # Below 0 HelpSteer's first response is better, which may be in the column of `rejected`.
    direction = columns.winner or (MARGINS[not _is_turned(sides)] if _SIGNED.search(names[0]) else "")
    if direction:
        lead = _number_in(value)
        return _leads(lead if direction == MARGINS[0] else -lead)
    if _MARGIN.search(names[0]):
        raise ValueError(
            f"winner: a margin has two directions; write winner=first-second:{names[0]} if a number above 0 means that "
            f"`{sides[0]}` is better, or second-first:"
        )
    return _names_first(value, sides, _ENDS)


def _lead_of_two(values: Sequence[Any], names: Sequence[str], sides: Sequence[str]) -> float:
    """Return by how much the answer of `chosen` is better, from two ranks or scores.

    Raises:
        ValueError: there are not two numbers.
    """
    if len(values) != 2:
        raise ValueError(f"winner: two numbers are expected, not {values!r}")
    first, second = map(_number_in, values)
    words = [word.lower() for word in _NAME.findall(names[0])]
    is_rank = any(map(_RANK.fullmatch, words)) and not any(map(_SCORE.fullmatch, words))
    # Rank 0 is better than rank 1, and score 1 than score 0; `rank_score` is a score.
    lead = second - first if is_rank else first - second
    # `score_a` belongs to `answer_a`, also where that is the column of `rejected`.
    of_names = len(names) == 2 and _is_turned(names)
    return lead if _is_turned(sides) == of_names else -lead


def _leads(lead: float) -> bool:
    """Return True if a number is above 0.

    Raises:
        LeftOutError: it is 0, or a score that is missing made it NaN.
    """
    if math.isnan(lead) or lead == 0:
        raise LeftOutError("no_preference")
    return lead > 0


def short_unread(row: Row, columns: Columns) -> Iterator[str]:
    """Yield the unread columns with a number or a short text, beside two answers of which no column is the winner."""
    if _is_open(columns) and not columns.has(row, "winner"):
        for name in columns.unread(row):
            value = row[name]
            if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _SHORT):
                yield name


def _is_open(columns: Columns) -> bool:
    return bool(columns.stated & {"chosen", "rejected"}) and "winner" not in columns.stated


def _names_first(value: Any, sides: Sequence[str], ends: Sequence[tuple[str, str]]) -> bool:
    """Return True if a word names the first of two answers, False if it names the second.

    Raises:
        LeftOutError: the word calls it a tie.
        ValueError: the word names neither answer.
        ConfigError: it is a number, and names the answers by others than their columns.
    """
    number = None if isinstance(value, bool) else _number(value)
    # In a column with nulls, pandas has 1.0 for 1.
    word = f"{number:g}" if number is not None else str(value).strip().lower()
    differing = _differing(sides)
    if ends and {number, *differing} in ({0, "1", "2"}, {2, "0", "1"}):
        raise ConfigError(
            f"winner: {word} beside `{sides[0]}` and `{sides[1]}` may be a tie, or count from another number; say "
            "which values name the two, as in winner=0/1:COLUMN"
        )
    # `chosen=answer_b,rejected=answer_a`: `first` is the second of the two.
    pairs = [end[::-1] if _is_turned(sides) else end for end in ends]
    # `answers.0.text` and `answers.1.text` differ in `0` and `1`, which then name the answers.
    named = {name.lower(): not place for pair in (*pairs, differing, sides) for place, name in enumerate(pair)}
    if word in named:
        return named[word]
    if not word or _TIE.search(word):
        raise LeftOutError("no_preference")
    # `leftvote` is left.
    words = [] if number is not None else _WORD.findall(word.replace("vote", " "))
    match [each for each in words if not _FILLING.fullmatch(each)]:
        case [one] if one in named:
            return named[one]
        case [one, sign, other] if {named.get(one), named.get(other)} == {True, False} and sign[0] in "<>":
            return named[one if sign[0] == ">" else other]
    raise ValueError(
        f"winner: {value!r} names neither of `{sides[0]}` and `{sides[1]}`; write `a` or `b`, add --columns "
        "winner=VALUE/VALUE:COLUMN with the values that name them, or winner= if the column means something else"
    )


def _differing(names: Sequence[str]) -> tuple[str, str]:
    """Return the first words in which two names of columns differ: `a` and `b` of `answer_a` and `answer_b`."""
    words = ([word.lower() for word in _NAME.findall(name)] for name in names)
    return next((pair for pair in zip(*words, strict=False) if pair[0] != pair[1]), (names[0], names[1]))


def _is_turned(names: Sequence[str]) -> bool:
    """Return True for two names of columns in the order `answer_b`, `answer_a`."""
    first, second = _differing(names)
    return (second, first) in _ENDS or (first.isdecimal() and second.isdecimal() and int(first) > int(second))


def _number_in(value: Any) -> float:
    number = _number(value)
    if number is None:
        raise ValueError(f"winner: a number is expected, not {value!r}")
    return number


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
