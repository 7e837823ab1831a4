"""Split a failing program into tokens, to mark those outside the longest common subsequence of two programs' tokens.

Tokens are roughly Python's: names, numbers, other single characters, and the indentation of each line with text.
So the spans suit any model's tokenizer. This is an ablation: the region is smaller than whole lines, and shows less of
the reason for the failure.
"""

import re

from iterpref_core.programs.source_code.line_diff import Unit, line_spans

TOKEN = re.compile(r"\w+|[^\w\s]")


def split_tokens(text: str) -> list[Unit]:
    r"""Split a program into tokens; each line with text begins with a token for its indentation.

    An indentation of no characters has no span of its own; the token after it is marked instead.

    >>> [token.text for token in split_tokens("if x:\n  y()\n")]
    ['\n', 'if', 'x', ':', '\n  ', 'y', '(', ')']
    """
    tokens = []
    for start, end in line_spans(text):
        line = [Unit(match[0], match.span()) for match in TOKEN.finditer(text, start, end)]
        if line:
            first = line[0].span
            indentation = text[start : first[0]]
            tokens.append(Unit("\n" + indentation, (start, first[0]) if indentation else first))
            tokens += line
    return tokens
