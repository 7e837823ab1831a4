"""Mark the tokens of a failing program outside the longest common subsequence of the two token sequences.

Tokens are roughly Python's: names, numbers, other single characters, and the indentation of each line with text.
So the spans suit any model's tokenizer. This is an ablation: the region is smaller than whole lines, and shows less of
the reason for the failure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from iterpref_core.programs.source_code.line_diff import ErrorRegion, adjacent_runs, line_spans, match_lines
from iterpref_core.records import Span

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
        first_start, first_end = line[0].span
        indentation = _Token(
            key="\n" + text[start:first_start],
            span=(start, first_start),
        )
        if first_start == start:
            # An indentation of no characters has no span of its own; the token after it is marked instead.
            indentation = _Token(key="\n", span=(first_start, first_end))
        tokens.append(indentation)
        tokens += line
    return tokens


def _spans(tokens: list[_Token], wanted: Iterable[int]) -> tuple[Span, ...]:
    """Return the spans of the tokens of these indices (ascending); neighbors are one span with the blanks between."""
    # Tokens 3, 4 and 5 become one span, from the start of 3 to the end of 5.
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
    keys_of_a = [token.key for token in a]
    keys_of_b = [token.key for token in b]
    # Index in `chosen` → index in `rejected`, for the tokens of the common subsequence.
    counterparts = {j: i for i, j in match_lines(keys_of_a, keys_of_b)}
    kept = set(counterparts.values())
    only_in_a = [i for i in range(len(a)) if i not in kept]
    only_in_b = [j for j in range(len(b)) if j not in counterparts]
    # Each token of `chosen` that is missing is anchored at the token that was written instead of it.
    anchors = set()
    # The token of `a` that a token inserted here would come before.
    position = 0
    for j in range(len(b)):
        if j in counterparts:
            position = counterparts[j] + 1
        elif a:
            anchors.add(min(position, len(a) - 1))
    return ErrorRegion(
        rejected=_spans(a, only_in_a),
        chosen=_spans(b, only_in_b),
        anchors=_spans(a, sorted(anchors)),
    )
