"""Tokenized programs: token ids, each with the characters it stands for, and masks from spans of characters.

A program continues its prompt, and its mask is decided by characters. Tokenizers, left to themselves, respect neither:

- Some begin every text with a blank. After a prompt that would be a blank which nobody wrote.
- Some give a token only its visible characters (`trim_offsets`), so that indentation belongs to no token.
- Unigram models spell a run of unknown characters in bytes and give each byte the characters of the whole run, line
  ends included.
- The text of a special token becomes that token, so that a program which mentions the end token would end there.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import eq

import numpy as np
from transformers import PreTrainedTokenizerBase

from iterpref_core.models.pretrained.tokenizers import continuing_engine, reading_engine
from iterpref_core.records import Span


def encode_programs(
    tokenizer: PreTrainedTokenizerBase, programs: Sequence[str]
) -> Iterator[tuple[list[int], list[Span]]]:
    """Tokenize programs that continue prompts, without any special token; on all cores.

    Yields:
        Ids, and for each the [start, end) of its characters in the program; empty for a token that stands for none.

    Raises:
        ModelError: the tokenizer gives no offsets.
    """
    encodings = continuing_engine(tokenizer).encode_batch(programs, add_special_tokens=False)
    for encoding, program in zip(encodings, programs, strict=True):
        yield encoding.ids, _true_offsets(encoding.offsets, program)


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[list[int], list[Span]]:
    """Tokenize a text as the tokenizer itself reads it, but for the special tokens that it would add.

    Returns:
        Ids, and for each the [start, end) of its characters in the text; empty for a token that stands for none.

    Raises:
        ModelError: the tokenizer gives no offsets.
    """
    encoding = reading_engine(tokenizer).encode(text, add_special_tokens=False)
    return encoding.ids, _true_offsets(encoding.offsets, text)


def _true_offsets(offsets: list[Span], text: str) -> list[Span]:
    """Return for each token its own characters."""
    repeated = any(map(eq, offsets, offsets[1:]))
    return list(_own_characters(offsets, text)) if repeated else offsets


def _own_characters(offsets: Sequence[Span], text: str) -> Iterator[Span]:
    """Yield for each token its own character, where tokens of the same characters are the bytes of these."""
    # A tokenizer without "é" and "ü" spells "éü" in the four bytes C3 A9 C3 BC, and gives each the characters 0 to 2.
    # As many tokens as bytes: the first two are of "é" (0 to 1), the others of "ü" (1 to 2).
    for (start, end), run in groupby(offsets):
        tokens = len(list(run))
        owners: list[int] = []
        for position in range(start, end):
            owners += [position] * len(text[position].encode())
        if len(owners) == tokens:
            for position in owners:
                yield position, position + 1
        else:
            for _ in range(tokens):
                yield start, end


def mask_from_spans(offsets: Sequence[Span], spans: Sequence[Span]) -> list[int]:
    """Mark the tokens that share at least one character with a span.

    A token that straddles the edge of a span is marked: the model chose the wrong character by choosing that token.

    Args:
        offsets: for each token its [start, end) in the text.
        spans: [start, end) character ranges, in any order; they may overlap or be empty.

    Returns:
        1 for marked tokens, else 0; as long as `offsets`.

    >>> mask_from_spans([(0, 3), (3, 5), (5, 9)], [(4, 6)])
    [0, 1, 1]
    """
    flat = np.fromiter(chain.from_iterable(offsets), np.int64, 2 * len(offsets))
    edges = flat.reshape(-1, 2)
    starts = edges[:, 0]
    ends = edges[:, 1]
    has_characters = starts < ends
    marks = np.zeros(len(offsets), dtype=bool)
    for first, last in spans:
        if first < last:
            marks |= has_characters & (starts < last) & (first < ends)
    mask: list[int] = marks.astype(int).tolist()
    return mask
