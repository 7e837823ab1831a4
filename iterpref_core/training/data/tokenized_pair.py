"""Hold the token ids of a pair's texts, and the masks that objectives choose from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

COUNTS = (
    "blank",
    "markdown",
    "prompt_truncated",
    "chosen_truncated",
    "rejected_truncated",
    "focal_truncated",
    "validation",
)
"""The numbers of a pair that checks read as they are."""


@dataclass(frozen=True)
class TokenizedPair:
    """A row of training: token ids of prompt, y+ and y-, each program as it is to be answered, closed by the end token.

    Attributes:
        rejected_ids: empty for a program alone, which is replayed.
        focal: marks the tokens of D- in y-.
        focal_chosen: marks the tokens of its counterpart D+ in y+.
        task_id: of the pair.
        blank: 1 where the chosen program has no text.
        markdown: 1 where an answer has fences of its own, and is trained with all the text around its program.
        problem_id: of its problem; the pair's own name where the file has none.
        statement: digest of the task: equal statements are one problem.
        prompt_truncated: how many tokens the length limits removed from the prompt.
        chosen_truncated: from y+.
        rejected_truncated: from y-.
        focal_truncated: from D-.
        validation: 1 for a pair that its file keeps from training.
        ref_chosen: log pi_ref of each token of y+, nats; empty until the reference is scored.
        ref_rejected: the same for y-.
    """

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    focal: list[int]
    focal_chosen: list[int]
    task_id: str = ""
    blank: int = 0
    markdown: int = 0
    problem_id: str = ""
    statement: str = ""
    prompt_truncated: int = 0
    chosen_truncated: int = 0
    rejected_truncated: int = 0
    focal_truncated: int = 0
    validation: int = 0
    ref_chosen: Sequence[float] = ()
    ref_rejected: Sequence[float] = ()

    @property
    def is_pair(self) -> bool:
        """Return False for a program alone."""
        return bool(self.rejected_ids)

    @property
    def shared_prefix(self) -> int:
        """Return the number of tokens that both programs begin with."""
        return count_shared(self.chosen_ids, self.rejected_ids)

    @property
    def focal_end(self) -> int:
        """Return the place in y- after the last token of D-; 0 without one."""
        return max((place + 1 for place, mark in enumerate(self.focal) if mark), default=0)

    @property
    def half(self) -> int:
        """Return the half of all pairs, 0 or 1, that the pair's name puts it into, for objectives that need halves."""
        return crc32(self.task_id.encode()) % 2

    def with_reference(self, logps: np.ndarray) -> "TokenizedPair":
        """Return the pair with the reference's log-probabilities of the tokens of y+, and then of y-."""
        chosen = len(self.chosen_ids)
        return replace(self, ref_chosen=logps[:chosen].tolist(), ref_rejected=logps[chosen:].tolist())

    @property
    def length(self) -> int:
        """Return the number of tokens of the prompt and the longer program."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))


def count_shared(first: Sequence[object], second: Sequence[object]) -> int:
    """Return the number of items that two sequences begin with in common.

    >>> count_shared([1, 2, 3], [1, 2, 4, 3])
    2
    """
    shared = 0
    for left, right in zip(first, second, strict=False):
        if left != right:
            break
        shared += 1
    return shared
