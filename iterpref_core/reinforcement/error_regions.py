"""Error regions of answers: an answer that fails is pushed down where it differs from one that passes, and only there.

GRPO moves all tokens of an answer by one advantage. Of these two answers only the second lines differ:

    def f(x):                 advantage -1, here  0      def f(x):                 advantage 1
        return x - 1          advantage -1                   return x + 1          advantage 1

The repair of a failing program is the passing one nearest to it, of the same problem in the same step. Line LCS, the
paper's localization, finds the error region D-. Where a repair is not known, all is as in GRPO.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from iterpref_core.localization.line_lcs import locate_error
from iterpref_core.records import Span
from iterpref_core.source_code.line_diff import diff_lines
from iterpref_core.training.data.tokenized_programs import mask_from_spans

Decode = Callable[[Sequence[int]], str]
"""Token ids → their text, without special tokens."""


@dataclass(frozen=True)
class FailedAnswer:
    """An answer whose program fails.

    Attributes:
        row: of the batch.
        start: the place of its first token among the completion tokens of the row.
        ids: its token ids.
        program: the program in it; "" if it holds none.
        task_id: the problem.
    """

    row: int
    start: int
    ids: Sequence[int]
    program: str
    task_id: str


def focus(
    advantages: torch.Tensor,
    failed: Iterable[FailedAnswer],
    repairs: Mapping[str, Sequence[str]],
    width: int,
    decode: Decode,
) -> tuple[torch.Tensor, int]:
    """Return advantages of tokens, in which a failing answer is pushed down in its error region alone.

    Args:
        advantages: one of each row, of shape (rows,).
        failed: the answers that fail, several of a row where it is a dialogue.
        repairs: task_id → programs that pass.
        width: the number of completion tokens of the longest row.
        decode: of the model's tokenizer.

    Returns:
        Advantages of shape (rows, width), and the number of answers that have an error region. Without any the
        advantages are returned as they are.
    """
    tokens = advantages.unsqueeze(1).repeat(1, width)
    located = 0
    for answer in failed:
        if advantages[answer.row] >= 0:
            continue
        mask = error_mask(answer.ids, answer.program, repairs.get(answer.task_id, ()), decode)
        if mask is None:
            continue
        located += 1
        span = slice(answer.start, answer.start + len(answer.ids))
        tokens[answer.row, span] *= torch.tensor(mask, dtype=tokens.dtype, device=tokens.device)
    return (tokens, located) if located else (advantages, 0)


def error_mask(ids: Sequence[int], program: str, repairs: Sequence[str], decode: Decode) -> list[int] | None:
    """Return 1 for each token of an answer that is of its program's error region, else 0.

    None where this is not known: no program passes, the texts of both differ in blank lines at most, or the program
    does not stand in the answer as it was run, or stands there twice.

    Args:
        ids: token ids of the answer, as the model drew them.
        program: the program in it.
        repairs: programs that pass.
        decode: of the model's tokenizer.
    """
    if not program or not repairs:
        return None
    text, characters = token_spans(ids, decode)
    position = text.find(program)
    if position < 0 or text.rfind(program) != position:
        return None
    region = locate_error(program, nearest(program, repairs))
    spans = [(position + start, position + end) for start, end in region.rejected or region.anchors]
    mask = mask_from_spans(characters, spans)
    return mask if any(mask) else None


def nearest(program: str, repairs: Sequence[str]) -> str:
    r"""Return the program that differs from another one in the fewest lines; of several the first.

    >>> nearest("a\nb\n", ["c\nd\n", "a\nc\n", "b\nb\n"])
    'a\nc\n'
    """
    return min(repairs, key=lambda repair: _differing_lines(program, repair))


def _differing_lines(program: str, repair: str) -> int:
    difference = diff_lines(program, repair)
    return len(difference.rejected) + len(difference.chosen)


def token_spans(ids: Sequence[int], decode: Decode) -> tuple[str, list[Span]]:
    """Return the text of token ids, and for each the [start, end) of its characters there.

    The tokens are those that a model drew. A tokenizer may split the same text otherwise, so its own offsets would be
    those of other tokens. Of a character that several tokens spell, each has the whole. A token without text has none.
    """
    text = decode(ids)
    ends = [_end_of(decode(ids[:count]), text) for count in range(len(ids) + 1)]
    spans = []
    for position, (start, end) in enumerate(pairwise(ends)):
        begins_character = start == end and start < len(text) and decode(ids[position : position + 1])
        spans.append((start, start + 1 if begins_character else end))
    return text, spans


def _end_of(beginning: str, text: str) -> int:
    """Return the length of a text's beginning, which may end in the mark of a character that is half spelled."""
    while not text.startswith(beginning):
        beginning = beginning[:-1]
    return len(beginning)
