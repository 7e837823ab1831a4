"""Batches of pairs, as dense tensors that two layouts fill.

A batch is rows of positions, each with a token, and a list of labels. A label is a token that some position should
predict, with its weights w+, w- and v, and its log-probability under the reference. K+ and K- of a pair are sums over
its labels, so the loss does not know how pairs were laid out.

`padded`: two sequences a pair, as everywhere. `fork` shares prefixes: the chosen program follows the prompt; of the
rejected one only the suffix follows, from where it first differs to the last of its tokens that counts. The shared
prefix is computed once, which for local fixes is most of a pair. One row holds several
pairs, so that there is hardly any padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import NamedTuple

import numpy as np
import torch

from iterpref_core.records import OBJECTIVES, InputError, Layout, Objective

from .tokenized_pair import TokenizedPair

Batch = dict[str, torch.Tensor]
Placement = tuple[int, int]
"""A row, and the position in it."""

PAD_TO_MULTIPLE_OF = 16
"""Width of rows, for few distinct shapes: CPU kernels keep scratch memory for each."""
_CARD_MULTIPLE = 128
"""The same on a card, where flex attention has blocks of this width and is compiled for each shape."""
_WIDTH_THAT_DOUBLES = 600
"""At this width attention, with its hidden part, costs a CPU about as much as the rest of a small model.

For larger models it costs less, but rows are full enough at any width."""


class Counts(NamedTuple):
    """The numbers of a row, or their sums: `Counts(*batch["counts"].sum(dim=0))`.

    Attributes:
        pairs: 1 for a pair, 0 for a program alone.
        rows: 1.
        nll_tokens: tokens in the NLL.
        rejected_counted: tokens of y- that count in K-.
        rejected_tokens: all tokens of y-.
    """

    pairs: torch.Tensor
    rows: torch.Tensor
    nll_tokens: torch.Tensor
    rejected_counted: torch.Tensor
    rejected_tokens: torch.Tensor


Labels = np.ndarray
"""Tokens that positions should predict, one after the other, and how each of them counts; an array of `_LABEL`s."""
_LABEL = np.dtype(
    [
        ("label_positions", np.int64),  # the position that predicts it
        ("pair", np.int64),  # number of its pair in the batch
        ("labels", np.int64),  # the token's id
        ("w_chosen", np.float32),  # weight w+ in K+
        ("w_rejected", np.float32),  # weight w- in K-
        ("w_nll", np.float32),  # weight v in the NLL
        ("ref", np.float32),  # log-probability under the reference, nats
    ]
)
"""The fields of a label, by their names in a batch."""


@dataclass
class TokenSequence:
    """Tokens that go into one row together: a prompt and its completion.

    Attributes:
        tokens: their ids.
        labels: the labels that count, with positions counted from the sequence's first.
        suffix_start: tokens from here on are the rejected suffix; without one the length.
        prefix_end: the rejected suffix sees itself and the tokens up to here, and its position ids go on from here.
    """

    tokens: list[int]
    labels: Labels
    suffix_start: int
    prefix_end: int = 0


@dataclass(frozen=True)
class Collator:
    """A collator, which makes a batch of B pairs: R rows of N positions, and M labels.

    `input_ids` and `position_ids` are (R, N). Who sees whom: `attention_mask`, (R, N), where rows are plainly causal,
    else `visible`, (R, N, 3); see `attention.mask_function`.

    `label_positions`, `labels`, `w_chosen` (w+), `w_rejected` (w-), `w_nll` (v), `ref` and `pair` are (M,), the labels
    of one pair together. `label_positions` count through all rows, and pairs from 0. `counts` is (B, 5), see `Counts`.

    >>> from iterpref_core.records.objective_table import OBJECTIVES
    >>> pair = TokenizedPair([5], chosen_ids=[6, 7], rejected_ids=[6, 8, 9], focal=[0, 1, 0], focal_chosen=[0, 1],
    ...                      ref_chosen=[-0.5, -1.0], ref_rejected=[-0.5, -2.0, -3.0])
    >>> batch = Collator(OBJECTIVES["target-dpo"], "padded", pad_token_id=0)([pair])
    >>> batch["input_ids"]
    tensor([[5, 6, 0],
            [5, 6, 8]])
    >>> batch["label_positions"], batch["labels"]
    (tensor([0, 1, 4]), tensor([6, 7, 8]))
    >>> batch = Collator(OBJECTIVES["target-dpo"], "fork", pad_token_id=0)([pair])
    >>> batch["input_ids"], batch["position_ids"]
    (tensor([[5, 6, 6]]), tensor([[0, 1, 1]]))
    >>> batch["label_positions"], batch["labels"]
    (tensor([0, 1, 2]), tensor([6, 7, 8]))
    >>> batch["w_chosen"], batch["w_rejected"], batch["ref"]
    (tensor([1., 1., 0.]), tensor([0., 0., 1.]), tensor([-0.5000, -1.0000, -2.0000]))
    >>> batch["visible"]
    tensor([[[0, 0, 0],
             [0, 0, 0],
             [0, 1, 2]]])
    >>> batch["counts"]
    tensor([[1., 1., 2., 1., 3.]])

    Attributes:
        objective: a row of the table.
        layout: of the rows.
        pad_token_id: fills rows.
        pad_to_multiple_of: the width of rows is a multiple of it.
        hidden_is_free: as for `pack`.
        unscored: pairs have no reference yet, and each token of theirs counts as 0.
    """

    objective: Objective
    layout: Layout
    pad_token_id: int
    pad_to_multiple_of: int = 1
    hidden_is_free: bool = False
    unscored: bool = False

    def of_every_token(self) -> "Collator":
        """Return the collator that a reference is scored with: all tokens of both programs count."""
        return replace(self, objective=OBJECTIVES["dpo"], unscored=True)

    def __call__(self, rows: Sequence[TokenizedPair]) -> Batch:
        """Lay the pairs out."""
        # All chosen programs come first, as in TRL. SFT has no use for the other ones and does not pay for them.
        sequences: list[TokenSequence] = []
        of_rejected: list[TokenSequence] = []
        counts = Counts(*torch.zeros(len(Counts._fields), len(rows)))
        for number, row in enumerate(rows):
            chosen, rejected = self._pair_labels(number, row)
            counts.pairs[number] = row.is_pair
            counts.rows[number] = 1
            if chosen is not None and rejected is not None:
                counts.rejected_counted[number] = float(rejected["w_rejected"].sum())
                counts.rejected_tokens[number] = len(rejected)
                if self.layout == "fork":
                    sequences.append(self._prefix_sharing(row, chosen, rejected))
                    continue
            if chosen is not None:
                sequences.append(_program(row.prompt_ids + row.chosen_ids, chosen))
            if rejected is not None:
                of_rejected.append(_program(row.prompt_ids + row.rejected_ids, rejected))
        batch = self._placed(sequences + of_rejected)
        counts.nll_tokens.index_add_(0, batch["pair"], batch["w_nll"])
        return batch | {"counts": torch.stack(counts, dim=1)}

    def _pair_labels(self, number: int, row: TokenizedPair) -> tuple[Labels | None, Labels | None]:
        """Return the labels of all tokens of y+ and of y-; None for a program that the objective does not read.

        A program alone has no weight but in the NLL: here it is decided what a term of the loss sees.
        """
        objective = self.objective
        scored = objective.preference and not self.unscored
        if scored and len(row.ref_rejected) != len(row.rejected_ids):
            raise InputError(
                f"pair {row.task_id!r}: reference log-probabilities are missing, which {objective.title} "
                "needs; score the pairs first"
            )
        chosen = rejected = None
        if objective.preference or objective.nll_of == "chosen":
            chosen = _labels(number, row.prompt_ids, row.chosen_ids)
            chosen["w_nll"] = 1
        if row.is_pair and (objective.preference or objective.nll_of == "rejected"):
            rejected = _labels(number, row.prompt_ids, row.rejected_ids)
            rejected["w_nll"] = objective.nll_of == "rejected"
        if chosen is not None and rejected is not None:
            chosen["w_chosen"] = row.focal_chosen if objective.chosen == "focal" else 1
            rejected["w_rejected"] = row.focal if objective.is_regional_for(row.half) else 1
            if scored:
                chosen["ref"] = row.ref_chosen
                rejected["ref"] = row.ref_rejected
        return chosen, rejected

    def _prefix_sharing(self, row: TokenizedPair, chosen: Labels, rejected: Labels) -> TokenSequence:
        """Return prompt and chosen program, followed by the rejected suffix.

        Labels of the shared prefix have the w+ of the one program and the w- of the other.
        """
        # Prompt p q, chosen program a b c, rejected program a x y c; x y count (shared = 1, end = 3):
        #
        #   position      0 1 2 3 | 4 5
        #   token         p q a b | a x      the chosen program, and from position 4 on the rejected suffix
        #   position id   0 1 2 3 | 2 3      as if the rejected program had a row of its own
        #   label         - a b c | x y
        #   sees          those before   |   positions 0 and 1 (`prefix_end` = 2), and the suffix up to itself
        #
        # The last token of the rejected program, c, does not count and is not computed.
        shared = row.shared_prefix
        end = row.focal_end if self.objective.is_regional_for(row.half) else len(row.rejected_ids)
        chosen["w_rejected"][:shared] = rejected["w_rejected"][:shared]
        sequence = _program(row.prompt_ids + row.chosen_ids, chosen)
        if end > shared:
            # The suffix starts with the token before the first difference once more: only there the two can part.
            sequence.prefix_end = max(len(row.prompt_ids) + shared - 1, 0)
            suffix = _program(row.prompt_ids + row.rejected_ids[:end], rejected[shared:end])
            suffix.labels["label_positions"] += sequence.suffix_start - sequence.prefix_end
            sequence.tokens += suffix.tokens[sequence.prefix_end :]
            sequence.labels = np.concatenate([sequence.labels, suffix.labels])
        return sequence

    def _placed(self, sequences: Sequence[TokenSequence]) -> Batch:
        """Return the rows of sequences, and their labels pair by pair."""
        lengths = [len(sequence.tokens) for sequence in sequences]
        if self.layout == "fork":
            width, placements = pack(lengths, self.pad_to_multiple_of, hidden_is_free=self.hidden_is_free)
        else:
            # Every sequence begins a row of its own.
            width = _round_up(max(lengths), self.pad_to_multiple_of)
            placements = [(number, 0) for number in range(len(sequences))]
        shape = (1 + max(row for row, _ in placements), width)
        # Positions without a sequence are padding, with the position id 0.
        tokens = np.full(shape, self.pad_token_id)
        position_ids = np.zeros(shape, np.int64)
        filled = np.zeros(shape, np.int64)
        # Padding sees itself: a softmax without any position is not a number.
        visible = np.zeros((*shape, 3), np.int64)
        visible[..., 2] = np.arange(width)
        parts = []
        for sequence, (row, start) in zip(sequences, placements, strict=True):
            end = start + len(sequence.tokens)
            suffix = start + sequence.suffix_start
            tokens[row, start:end] = sequence.tokens
            filled[row, start:end] = 1
            position_ids[row, start:suffix] = np.arange(sequence.suffix_start)
            position_ids[row, suffix:end] = sequence.prefix_end + np.arange(end - suffix)
            # In the example of `_prefix_sharing` the chosen program has (0, 0, 0): from the start of the row up to
            # itself. The rejected suffix has (0, 2, 4): positions 0 and 1, and those from position 4 on up to itself.
            visible[row, start:end] = start
            visible[row, suffix:end, 1] = start + sequence.prefix_end
            visible[row, suffix:end, 2] = suffix
            sequence.labels["label_positions"] += row * width + start
            parts.append(sequence.labels)
        # With `padded` the two sequences of a pair are far apart; its labels must be neighbors.
        labels = np.concatenate(parts)
        labels = labels[np.argsort(labels["pair"], kind="stable")]
        batch = {name: torch.tensor(labels[name]) for name in _LABEL.names or ()}
        mask = {"visible": visible} if self.layout == "fork" else {"attention_mask": filled}
        rows = {"input_ids": tokens, "position_ids": position_ids} | mask
        return batch | {name: torch.from_numpy(values) for name, values in rows.items()}


def row_multiple(*, on_card: bool) -> int:
    """Return what the width of rows is a multiple of."""
    return _CARD_MULTIPLE if on_card else PAD_TO_MULTIPLE_OF


def _labels(pair: int, prompt: Sequence[int], program: Sequence[int]) -> Labels:
    """Return labels of all tokens of a program, which count nowhere yet; each is predicted by the token before it."""
    labels = np.zeros(len(program), _LABEL)
    labels["pair"] = pair
    labels["labels"] = program
    labels["label_positions"] = np.arange(len(program)) + len(prompt) - 1
    return labels


def _program(text: list[int], labels: Labels) -> TokenSequence:
    """Return a text without its last token, which predicts none, and those of its labels that count."""
    # The text p q a b gives the tokens p q a with the labels -, a and b. Nothing predicts the first token of all.
    weighs = (labels["w_chosen"] != 0) | (labels["w_rejected"] != 0) | (labels["w_nll"] != 0)
    counted = labels[weighs & (labels["label_positions"] >= 0)]
    return TokenSequence(text[:-1], counted, suffix_start=len(text) - 1)


def pack(lengths: Sequence[int], multiple: int, *, hidden_is_free: bool = False) -> tuple[int, list[Placement]]:
    """Return rows for sequences of these lengths: first-fit-decreasing, at the width that costs least.

    Widths are multiples of `multiple`, from the longest sequence up to three times that. A wider row saves padding, but
    without a kernel that knows better its attention also covers the part that its mask hides.

    Args:
        lengths: tokens of each sequence.
        multiple: of the width.
        hidden_is_free: attention skips what its mask hides, as on a GPU: only the number of positions costs.

    Returns:
        The width, and the placement of each sequence.

    >>> pack([3, 5, 2, 4], 1)
    (7, [(1, 4), (0, 0), (0, 5), (1, 0)])
    """

    # Sequences of 5, 4, 3 and 2 tokens: at width 5 the rows are 5, 4 and 3 + 2, which is 15 positions; at width 6 they
    # are 5, 4 + 2 and 3, which is 18; at width 7 they are 5 + 2 and 4 + 3, which is 14, and none is padding.
    def cost_of(rows: int, width: int) -> float:
        return rows * width * (1 if hidden_is_free else 1 + width / _WIDTH_THAT_DOUBLES)

    # A row holds at least the longest sequence.
    narrowest = _round_up(max(lengths), multiple)
    total = sum(lengths)
    best_cost = inf
    best: tuple[int, list[Placement]] = (narrowest, [])
    for width in range(narrowest, 3 * narrowest + 1, multiple):
        # No packing has fewer rows than the tokens fill, so most widths need not be tried.
        if cost_of(ceil(total / width), width) >= best_cost:
            continue
        placements = _first_fit(lengths, width)
        cost = cost_of(1 + max(row for row, _ in placements), width)
        if cost < best_cost:
            best_cost = cost
            best = (width, placements)
    return best


def _first_fit(lengths: Sequence[int], width: int) -> list[Placement]:
    """Return the placement of each sequence: the longest first, each in the first row that has room for it."""
    filled: list[int] = []
    placements: dict[int, Placement] = {}
    # The longest first: short sequences then fill the gaps.
    longest_first = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    for index in longest_first:
        length = lengths[index]
        with_room = (row for row, used in enumerate(filled) if used <= width - length)
        row = next(with_room, len(filled))
        # No open row has room, so a new one begins.
        if row == len(filled):
            filled.append(0)
        placements[index] = (row, filled[row])
        filled[row] += length
    return [placements[index] for index in range(len(lengths))]


def _round_up(length: int, multiple: int) -> int:
    """Return the next multiple, which is not 0."""
    return max(ceil(length / multiple), 1) * multiple
