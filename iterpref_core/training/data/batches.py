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
from dataclasses import dataclass, field
from math import ceil, inf
from typing import NamedTuple

import numpy as np
import torch

from iterpref_core.records.config import Layout
from iterpref_core.records.errors import InputError
from iterpref_core.records.objective_table import Objective
from iterpref_core.training.data.tokenized_pair import TokenizedPair

Batch = dict[str, torch.Tensor]
Placement = tuple[int, int]
"""A row, and the position in it."""

PAD_TO_MULTIPLE_OF = 16
"""Width of rows, for few distinct shapes: CPU kernels keep scratch memory for each, GPU kernels like multiples."""
_WIDTH_THAT_DOUBLES = 600
"""At this width attention, with its hidden part, costs a CPU about as much as the rest of a small model.

For larger models it costs less, but rows are full enough at any width."""


class Counts(NamedTuple):
    """The four numbers of a pair, or their sums: `Counts(*batch["counts"].sum(dim=0))`.

    Attributes:
        pairs: 1 for a pair.
        nll_tokens: tokens in the NLL.
        rejected_counted: tokens of y- that count in K-.
        rejected_tokens: all tokens of y-.
    """

    pairs: torch.Tensor
    nll_tokens: torch.Tensor
    rejected_counted: torch.Tensor
    rejected_tokens: torch.Tensor


Labels = np.ndarray
"""Tokens that positions should predict, one after the other, and how each of them counts; an array of `_LABEL`s."""
_LABEL = np.dtype(
    [
        ("token", np.int64),  # id
        ("w_chosen", np.float32),  # weight w+ in K+
        ("w_rejected", np.float32),  # weight w- in K-
        ("w_nll", np.float32),  # weight v in the NLL
        ("ref", np.float32),  # log-probability under the reference, nats
    ]
)
_NUMBERS = ("w_chosen", "w_rejected", "w_nll", "ref")
"""The numbers of labels, by their names in a batch."""


def labels_of(tokens: Sequence[int], **numbers: Sequence[float] | float) -> Labels:
    """Return labels of these tokens.

    Args:
        tokens: ids.
        **numbers: fields of `_LABEL`, a number for each token or a single one; fields that are not given are 0.

    Raises:
        ValueError: a sequence is shorter or longer than the tokens.
    """
    labels = np.zeros(len(tokens), _LABEL)
    labels["token"] = tokens
    for name, values in numbers.items():
        labels[name] = values
    return labels


@dataclass(frozen=True)
class PairLabels:
    """The labels of all tokens of a pair's two programs; None for a program that the objective does not read."""

    chosen: Labels | None
    rejected: Labels | None


@dataclass
class TokenSequence:
    """Tokens that go into one row together: a prompt and its completion.

    Attributes:
        pair: the number of their pair in the batch.
        tokens: their ids.
        position_ids: of each token, as the model counts it.
        labels: the labels that count.
        label_positions: of each label the position that predicts it, counted from the sequence's first.
        suffix_start: tokens from here on are the rejected suffix; without one the length.
        prefix_end: the rejected suffix sees itself and the tokens up to here.
    """

    pair: int
    tokens: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    labels: Labels = field(default_factory=lambda: labels_of([]))
    label_positions: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    suffix_start: int = 0
    prefix_end: int = 0

    def append(self, text: list[int], start: int, labels: Labels) -> None:
        """Append the tokens `text[start:-1]`; `labels` are the last tokens of the text."""
        # A position predicts the token after it: the text p q a b gives the tokens p q a with the labels -, a and b.
        count = max(len(text) - 1 - start, 0)
        end = start + count
        self.tokens += text[start:end]
        self.position_ids += range(start, end)
        labeled = min(count, len(labels))
        last_labels = labels[len(labels) - labeled :]
        first_position = len(self.tokens) - labeled
        counts = (last_labels["w_chosen"] != 0) | (last_labels["w_rejected"] != 0) | (last_labels["w_nll"] != 0)
        self.labels = np.concatenate([self.labels, last_labels[counts]])
        self.label_positions = np.concatenate([self.label_positions, first_position + np.flatnonzero(counts)])

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Collator:
    """A collator, which makes a batch of B pairs: R rows of N positions, and M labels.

    `input_ids` and `position_ids` are (R, N). Who sees whom: `attention_mask`, (R, N), where rows are plainly causal,
    else `visible`, (R, N, 3); see `attention.mask_function`.

    `label_positions`, `labels`, `w_chosen` (w+), `w_rejected` (w-), `w_nll` (v), `ref` and `pair` are (M,), the labels
    of one pair together. `label_positions` count through all rows, and pairs from 0. `counts` is (B, 4), see `Counts`.

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
    tensor([[1., 2., 1., 3.]])

    Attributes:
        objective: a row of the table.
        layout: of the rows.
        pad_token_id: fills rows.
        pad_to_multiple_of: the width of rows is a multiple of it.
        hidden_is_free: as for `pack`.
    """

    objective: Objective
    layout: Layout
    pad_token_id: int
    pad_to_multiple_of: int = 1
    hidden_is_free: bool = False

    def __call__(self, rows: Sequence[TokenizedPair]) -> Batch:
        """Lay the pairs out."""
        # Labels first: they decide which programs are laid out at all.
        shares_prefix = self.layout == "fork"
        labels = [self._pair_labels(row) for row in rows]
        sequences = self._sequences(rows, labels)
        if shares_prefix:
            sizes = [len(sequence) for sequence in sequences]
            width, placements = pack(sizes, self.pad_to_multiple_of, hidden_is_free=self.hidden_is_free)
        else:
            # Every sequence begins a row of its own.
            width = _round_up(max(map(len, sequences)), self.pad_to_multiple_of)
            placements = [(number, 0) for number in range(len(sequences))]
        batch = _rows(sequences, placements, width, self.pad_token_id) | _placed_labels(sequences, placements, width)
        if shares_prefix:
            batch["visible"] = _visible(sequences, placements, batch["input_ids"].shape)
        else:
            # 1 where a row has a token, 0 where it is filled up: lengths 2 and 3 give 1 1 0 and 1 1 1.
            lengths = torch.tensor([[len(sequence)] for sequence in sequences])
            batch["attention_mask"] = (torch.arange(width) < lengths).long()
        return batch | {"counts": _counts(sequences, labels)}

    def _sequences(self, rows: Sequence[TokenizedPair], labels: Sequence[PairLabels]) -> list[TokenSequence]:
        """Return the sequences of all pairs: with `fork` one for a pair, else one for each program that counts."""
        # All chosen programs come first, as in TRL. SFT has no use for the other ones and does not pay for them.
        sequences: list[TokenSequence] = []
        rejected: list[TokenSequence] = []
        for number, (row, of_pair) in enumerate(zip(rows, labels, strict=True)):
            if self.layout == "fork" and of_pair.chosen is not None and of_pair.rejected is not None:
                sequences.append(self._prefix_sharing(number, row, of_pair.chosen, of_pair.rejected))
                continue
            if of_pair.chosen is not None:
                sequences.append(_program(number, row, of_pair.chosen))
            if of_pair.rejected is not None:
                rejected.append(_program(number, row, of_pair.rejected))
        return sequences + rejected

    def _prefix_sharing(self, number: int, row: TokenizedPair, plus: Labels, minus: Labels) -> TokenSequence:
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
        chosen = plus.copy()
        chosen["w_rejected"][:shared] = minus["w_rejected"][:shared]
        sequence = _program(number, row, chosen)
        if end > shared:
            # The suffix starts with the token before the first difference once more: only there the two can part.
            sequence.prefix_end = max(len(row.prompt_ids) + shared - 1, 0)
            sequence.append(
                row.prompt_ids + row.rejected_ids[:end],
                sequence.prefix_end,
                minus[shared:end],
            )
        return sequence

    def _pair_labels(self, row: TokenizedPair) -> PairLabels:
        """Return the labels of y+ and of y-; None for a program that the objective does not read."""
        ref_chosen: Sequence[float] | float = 0
        ref_rejected: Sequence[float] | float = 0
        if self.objective.scores_reference:
            if len(row.ref_rejected) != len(row.rejected_ids):
                raise InputError(
                    f"pair {row.task_id!r}: reference log-probabilities are missing, which {self.objective.title} "
                    "needs; score the pairs first"
                )
            ref_chosen = row.ref_chosen
            ref_rejected = row.ref_rejected
        objective = self.objective
        chosen = rejected = None
        if objective.preference or objective.nll_of == "chosen":
            marks = row.focal_chosen if objective.chosen == "focal" else 1
            weights = {"w_chosen": marks if objective.preference else 0, "w_nll": 1}
            chosen = labels_of(row.chosen_ids, **weights, ref=ref_chosen)
        if objective.preference or objective.nll_of == "rejected":
            marks = row.focal if objective.is_regional_for(row.half) else 1
            weights = {"w_rejected": marks, "w_nll": 0} if objective.preference else {"w_rejected": 0, "w_nll": 1}
            rejected = labels_of(row.rejected_ids, **weights, ref=ref_rejected)
        return PairLabels(chosen, rejected)


def _program(number: int, row: TokenizedPair, labels: Labels) -> TokenSequence:
    """Return prompt and program in a sequence of their own."""
    sequence = TokenSequence(number)
    sequence.append(row.prompt_ids + labels["token"].tolist(), 0, labels)
    sequence.suffix_start = len(sequence)
    return sequence


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
    # A row holds at least the longest sequence.
    narrowest = _round_up(max(lengths), multiple)
    total = sum(lengths)
    best_cost = inf
    best: tuple[int, list[Placement]] = (narrowest, [])
    for width in range(narrowest, 3 * narrowest + 1, multiple):
        # No packing has fewer rows than the tokens fill, so most widths need not be tried.
        if _cost(ceil(total / width), width, hidden_is_free=hidden_is_free) >= best_cost:
            continue
        placements = _first_fit(lengths, width)
        cost = _cost(1 + max(row for row, _ in placements), width, hidden_is_free=hidden_is_free)
        if cost < best_cost:
            best_cost = cost
            best = (width, placements)
    return best


def _cost(rows: int, width: int, *, hidden_is_free: bool) -> float:
    return rows * width * (1 if hidden_is_free else 1 + width / _WIDTH_THAT_DOUBLES)


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


def _rows(
    sequences: Sequence[TokenSequence],
    placements: Sequence[Placement],
    width: int,
    pad_token_id: int,
) -> Batch:
    """Return tokens and position ids of all rows; positions without a sequence are padding, with the position id 0."""
    rows = 1 + max(row for row, _ in placements)
    # One flat list for all rows: position 3 of row 2 is at 2 * width + 3.
    tokens = [pad_token_id] * (rows * width)
    position_ids = [0] * (rows * width)
    for sequence, (row, offset) in zip(sequences, placements, strict=True):
        start = row * width + offset
        taken = slice(start, start + len(sequence))
        tokens[taken] = sequence.tokens
        position_ids[taken] = sequence.position_ids
    return {
        "input_ids": torch.tensor(tokens).view(rows, width),
        "position_ids": torch.tensor(position_ids).view(rows, width),
    }


def _counts(sequences: Sequence[TokenSequence], labels: Sequence[PairLabels]) -> torch.Tensor:
    """Return the `Counts` of each pair, (B, 4)."""
    counts = Counts(*torch.zeros(len(Counts._fields), len(labels)))
    for sequence in sequences:
        counts.nll_tokens[sequence.pair] += float(sequence.labels["w_nll"].sum())
    for pair, of_pair in enumerate(labels):
        counts.pairs[pair] = 1
        if of_pair.chosen is not None and of_pair.rejected is not None:
            counts.rejected_counted[pair] = float(of_pair.rejected["w_rejected"].sum())
            counts.rejected_tokens[pair] = len(of_pair.rejected)
    return torch.stack(counts, dim=1)


def _placed_labels(sequences: Sequence[TokenSequence], placements: Sequence[Placement], width: int) -> Batch:
    """Return the labels of all sequences, pair by pair."""
    positions: list[np.ndarray] = []
    pairs: list[np.ndarray] = []
    parts: list[Labels] = []
    # With `padded` the two sequences of a pair are far apart; its labels must be neighbors.
    placed = sorted(zip(sequences, placements, strict=True), key=lambda each: each[0].pair)
    for sequence, (row, offset) in placed:
        positions.append(row * width + offset + sequence.label_positions)
        pairs.append(np.full(len(sequence.labels), sequence.pair))
        parts.append(sequence.labels)
    labels = np.concatenate(parts)
    batch = {
        "label_positions": torch.from_numpy(np.concatenate(positions)),
        "pair": torch.from_numpy(np.concatenate(pairs)),
        "labels": torch.tensor(labels["token"]),
    }
    return batch | {name: torch.tensor(labels[name]) for name in _NUMBERS}


def _visible(sequences: Sequence[TokenSequence], placements: Sequence[Placement], shape: torch.Size) -> torch.Tensor:
    """Return (start, end, suffix) for every position of a row, as `attention.mask_function` takes them."""
    # In the example of `_prefix_sharing` the chosen program has (0, 0, 0): from the start of the row up to itself. The
    # rejected suffix has (0, 2, 4): positions 0 and 1, and those from position 4 on up to itself.
    visible = torch.zeros(*shape, 3, dtype=torch.long)
    # Padding sees itself: a softmax without any position is not a number.
    visible[..., 2] = torch.arange(shape[1])
    for sequence, (row, offset) in zip(sequences, placements, strict=True):
        suffix = offset + sequence.suffix_start
        end = offset + len(sequence)
        visible[row, offset:end] = offset
        visible[row, suffix:end, 1] = offset + sequence.prefix_end
        visible[row, suffix:end, 2] = suffix
    return visible
