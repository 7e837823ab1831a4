"""Token-LCS localization: D- is the failing program's tokens outside the LCS of the two token sequences.

Tokens are those of the programming language, roughly (names and numbers, single other characters, and the indentation
of each line with text), so the spans suit any model's tokenizer. An ablation of the paper: the region is smaller than
whole lines, and says less about why the line is wrong.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from iterpref_core.localization.line_lcs import ErrorRegion
from iterpref_core.records import Span, line_spans
from iterpref_core.source_code.line_diff import match_lines

TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class _Token:
    """`key` is what is compared; an indentation of nothing is marked by the token after it."""

    key: str
    span: Span


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for start, end in line_spans(text):
        line = [_Token(match.group(), match.span()) for match in TOKEN.finditer(text, start, end)]
        if line:
            first = line[0].span
            tokens.append(_Token("\n" + text[start : first[0]], (start, first[0]) if first[0] > start else first))
            tokens += line
    return tokens


def _spans(tokens: list[_Token], wanted: Iterable[int]) -> tuple[Span, ...]:
    """The tokens of these indices (ascending); neighbors are one span, with the blanks between them."""
    runs = ([index for _, index in run] for _, run in groupby(enumerate(wanted), key=lambda item: item[1] - item[0]))
    return tuple((tokens[run[0]].span[0], tokens[run[-1]].span[1]) for run in runs)


def locate_error(rejected: str, chosen: str) -> ErrorRegion:
    r"""The error region of a failing program.

    The anchor of missing tokens is the token that the model wrote instead of them; at the end, the last one.

    >>> rejected = "def f(x):\n    return x - 1\n"
    >>> [rejected[a:b] for a, b in locate_error(rejected, "def f(x):\n    return x + 1\n").rejected]
    ['-']
    >>> [rejected[a:b] for a, b in locate_error(rejected, "def f(x):\n    return -x - 1\n").anchors]
    ['x']
    """
    a, b = _tokens(rejected), _tokens(chosen)
    counterparts = {j: i for i, j in match_lines([token.key for token in a], [token.key for token in b])}
    kept = set(counterparts.values())
    anchors, place = set(), 0
    for index in range(len(b)):
        if index in counterparts:
            place = counterparts[index] + 1
        elif a:
            anchors.add(min(place, len(a) - 1))
    return ErrorRegion(
        _spans(a, [i for i in range(len(a)) if i not in kept]),
        _spans(b, [j for j in range(len(b)) if j not in counterparts]),
        _spans(a, sorted(anchors)),
    )
