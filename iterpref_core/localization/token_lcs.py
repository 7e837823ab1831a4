"""Token-LCS localization: D- is the failing program's tokens outside the LCS of the two token sequences.

Tokens are those of the programming language, roughly (names and numbers, single other characters, and the indentation
of each line with text), so the spans suit any model's tokenizer. An ablation of the paper: the region is smaller than
whole lines, and says less about why the line is wrong.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from iterpref_core.localization.line_lcs import ErrorRegion
from iterpref_core.records import Span, line_spans
from iterpref_core.source_code.line_diff import adjacent_runs, match_lines

TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class _Token:
    """A token of the programming language: the text that is compared, and its characters in the program."""

    key: str
    span: Span


def _tokens(text: str) -> list[_Token]:
    r"""Split a program into tokens; each line with text begins with a token for its indentation.

    >>> [token.key for token in _tokens("if x:\n  y()\n")]
    ['\n', 'if', 'x', ':', '\n  ', 'y', '(', ')']
    """
    tokens = []
    for start, end in line_spans(text):
        line = [_Token(match.group(), match.span()) for match in TOKEN.finditer(text, start, end)]
        if not line:
            continue
        first = line[0].span
        # An indentation of no characters has no span of its own; the token after it is marked instead.
        indentation = (start, first[0]) if first[0] > start else first
        tokens.append(_Token("\n" + text[start : first[0]], indentation))
        tokens += line
    return tokens


def _spans(tokens: list[_Token], wanted: Iterable[int]) -> tuple[Span, ...]:
    """Return the spans of the tokens of these indices (ascending); neighbors are one span with the blanks between."""
    spans = []
    for run in adjacent_runs(wanted):
        first = tokens[run[0]]
        last = tokens[run[-1]]
        spans.append((first.span[0], last.span[1]))
    return tuple(spans)


def locate_error(rejected: str, chosen: str) -> ErrorRegion:
    r"""Return the error region of a failing program.

    The anchor of missing tokens is the token that the model wrote instead of them; at the end, the last token.

    >>> rejected = "def f(x):\n    return x - 1\n"
    >>> [rejected[a:b] for a, b in locate_error(rejected, "def f(x):\n    return x + 1\n").rejected]
    ['-']
    >>> [rejected[a:b] for a, b in locate_error(rejected, "def f(x):\n    return -x - 1\n").anchors]
    ['x']
    """
    a = _tokens(rejected)
    b = _tokens(chosen)
    matches = match_lines([token.key for token in a], [token.key for token in b])
    counterparts = {j: i for i, j in matches}
    kept = set(counterparts.values())
    anchors = set()
    place = 0
    for index in range(len(b)):
        if index in counterparts:
            place = counterparts[index] + 1
        elif a:
            anchors.add(min(place, len(a) - 1))
    return ErrorRegion(
        rejected=_spans(a, [i for i in range(len(a)) if i not in kept]),
        chosen=_spans(b, [j for j in range(len(b)) if j not in counterparts]),
        anchors=_spans(a, sorted(anchors)),
    )
