"""Batches of pairs, as dense tensors that two layouts fill.

A batch is rows of slots, each a token at a position, and a list of labels. A label is a token that some slot should
predict, and the weights with which it counts, w+, w- and v, with its log-probability under the reference. K+ and K- of
a pair are sums over its labels, so the loss does not know how pairs were laid out.

`padded`: two rows a pair, as everywhere. `fork`: the chosen program follows the prompt (the trunk); the rejected one
branches off where it first differs, and ends with the last of its tokens that counts. Their common part is computed
once, which for local fixes is most of it. Several such pairs stand in one row, so that next to nothing is padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

import torch

from iterpref_core.config import Layout
from iterpref_core.errors import InputError
from iterpref_core.objectives.objective_table import HALF, Objective, Tokens
from iterpref_core.training.data.dataset import (
    TokenizedPair,
    marked_end,
    shared_prefix,
)

Batch = dict[str, torch.Tensor]
Place = tuple[int, int]
"""A row, and the slot in it."""

PAIRS, NLL_TOKENS, REJECTED_COUNTED, REJECTED_TOKENS = range(4)
"""Places in `counts`: pairs, tokens in the NLL, tokens of y- that count in K-, all tokens of y-."""
PAD_TO_MULTIPLE_OF = 16
"""Width of rows, for few distinct shapes: CPU kernels keep scratch memory for each, GPU kernels like multiples."""
_WIDTH_THAT_DOUBLES = 600
"""At about this width attention, its hidden part included, costs a CPU as much as all else in a slot of a small
model. For larger models it costs less, but rows are full enough at any width."""

Label = tuple[int, float, float, float, float]
"""A token, and its w+, w-, v and log-probability under the reference."""
_WEIGHTS = ("w_chosen", "w_rejected", "w_nll", "ref")
"""The names of a label's numbers in a batch."""


@dataclass
class _Piece:
    """A piece: slots that go into one row together.

    Attributes:
        pair: the number of their pair in the batch.
        tokens: of each slot.
        positions: of each slot, as the model counts them.
        labels: the labels that count.
        places: of each label its slot, counted from the piece's first.
        trunk: slots from here on are a branch.
        seen: how many of the first slots the branch sees, besides itself.
    """

    pair: int
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    trunk: int = 0
    seen: int = 0

    def append(self, sequence: list[int], start: int, labels: list[Label]) -> None:
        """Append slots that hold `sequence[start:-1]`; `labels` are of the sequence's last tokens."""
        # A slot predicts the token after it: the sequence p q a b has the slots p q a with the labels -, a and b.
        count = max(len(sequence) - 1 - start, 0)
        end = start + count
        self.tokens += sequence[start:end]
        self.positions += range(start, end)
        labeled = min(count, len(labels))
        last_labels = labels[len(labels) - labeled :]
        first_place = len(self.tokens) - labeled
        for place, label in enumerate(last_labels, start=first_place):
            if any(label[1:4]):
                self.labels.append(label)
                self.places.append(place)

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Collator:
    """A collator, which makes a batch of B pairs: R rows of N slots, and M labels.

    `input_ids` and `position_ids` are (R, N). Who sees whom: `attention_mask`, (R, N), where rows are plainly causal,
    else `visible`, (R, N, 3); see `attention.mask_function`.

    `slots`, `labels`, `w_chosen` (w+), `w_rejected` (w-), `w_nll` (v), `ref` and `pair` are (M,), the labels of one
    pair together. `slots` count through all rows, and pairs from 0. `counts` is (4,).

    >>> from iterpref_core.objectives.objective_table import OBJECTIVES
    >>> pair = TokenizedPair([5], chosen_ids=[6, 7], rejected_ids=[6, 8, 9], focal=[0, 1, 0], focal_chosen=[0, 1],
    ...                      ref_chosen=[-0.5, -1.0], ref_rejected=[-0.5, -2.0, -3.0])
    >>> batch = Collator(OBJECTIVES["target-dpo"], "padded", pad_token_id=0)([pair])
    >>> batch["input_ids"]
    tensor([[5, 6, 0],
            [5, 6, 8]])
    >>> batch["slots"], batch["labels"]
    (tensor([0, 1, 4]), tensor([6, 7, 8]))
    >>> batch = Collator(OBJECTIVES["target-dpo"], "fork", pad_token_id=0)([pair])
    >>> batch["input_ids"], batch["position_ids"]
    (tensor([[5, 6, 6]]), tensor([[0, 1, 1]]))
    >>> batch["slots"], batch["labels"]
    (tensor([0, 1, 2]), tensor([6, 7, 8]))
    >>> batch["w_chosen"], batch["w_rejected"], batch["ref"]
    (tensor([1., 1., 0.]), tensor([0., 0., 1.]), tensor([-0.5000, -1.0000, -2.0000]))
    >>> batch["visible"]
    tensor([[[0, 0, 0],
             [0, 0, 0],
             [0, 1, 2]]])
    >>> batch["counts"]
    tensor([1., 2., 1., 3.])
    """

    objective: Objective
    layout: Layout
    pad_token_id: int
    pad_to_multiple_of: int = 1

    def __call__(self, rows: Sequence[TokenizedPair]) -> Batch:
        """Lay the pairs out."""
        fork = self.layout == "fork"
        preference = self.objective.preference
        labels = [self._labels(row) for row in rows]
        pieces = self._pieces(rows, labels)
        if fork:
            width, places = pack([len(piece) for piece in pieces], self.pad_to_multiple_of)
        else:
            width = _round_up(max(map(len, pieces)), self.pad_to_multiple_of)
            places = [(number, 0) for number in range(len(pieces))]
        batch = _rows(pieces, places, width, self.pad_token_id) | _labels(pieces, places, width)
        if fork:
            batch["visible"] = _visible(pieces, places, batch["input_ids"].shape)
        else:
            lengths = torch.tensor([[len(piece)] for piece in pieces])
            batch["attention_mask"] = (torch.arange(width) < lengths).long()
        minus: list[float] = []
        if preference:
            for _, rejected in labels:
                minus += [label[2] for label in rejected]
        counts = [
            len(rows),
            float(batch["w_nll"].sum()),
            sum(minus),
            len(minus),
        ]
        return batch | {"counts": torch.tensor(counts)}

    def _pieces(
        self,
        rows: Sequence[TokenizedPair],
        labels: Sequence[tuple[list[Label], list[Label]]],
    ) -> list[_Piece]:
        """Return the pieces of all pairs: with `fork` one for a pair, else one for each program that counts."""
        preference = self.objective.preference
        pieces: list[_Piece] = []
        if self.layout == "fork" and preference:
            for number, row in enumerate(rows):
                chosen, rejected = labels[number]
                pieces.append(_forked(number, row, chosen, rejected))
            return pieces
        # All chosen programs come first, as in TRL. SFT has no use for the other ones and does not pay for them.
        if preference or self.objective.nll_of != "rejected":
            for number, row in enumerate(rows):
                chosen, _ = labels[number]
                pieces.append(_program(number, row, chosen))
        if preference or self.objective.nll_of == "rejected":
            for number, row in enumerate(rows):
                _, rejected = labels[number]
                pieces.append(_program(number, row, rejected))
        return pieces

    def _labels(self, row: TokenizedPair) -> tuple[list[Label], list[Label]]:
        """Return the labels of y+ and those of y-. Without a preference term all tokens are in the NLL."""
        if not self.objective.preference:
            chosen_nll: list[Label] = [(token, 0, 0, 1, 0) for token in row.chosen_ids]
            rejected_nll: list[Label] = [(token, 0, 0, 1, 0) for token in row.rejected_ids]
            return chosen_nll, rejected_nll
        tokens = self.objective.rejected
        plus = _weights(self.objective.chosen, row.focal_chosen)
        if tokens == HALF:
            tokens = "focal" if row.half else "all"
        minus = _weights(tokens, row.focal)
        if self.objective.referenced and len(row.ref_rejected) != len(minus):
            raise InputError(
                f"pair {row.task_id!r}: there are no reference log-probabilities, which {self.objective.label} needs; "
                "call `focal_dataset` with this objective"
            )
        ref_chosen: Sequence[float] = [0.0] * len(plus)
        ref_rejected: Sequence[float] = [0.0] * len(minus)
        if self.objective.referenced:
            ref_chosen = row.ref_chosen
            ref_rejected = row.ref_rejected
        chosen: list[Label] = []
        for token, weight, ref in zip(row.chosen_ids, plus, ref_chosen, strict=True):
            chosen.append((token, weight, 0, 1, ref))
        rejected: list[Label] = []
        for token, weight, ref in zip(row.rejected_ids, minus, ref_rejected, strict=True):
            rejected.append((token, 0, weight, 0, ref))
        return chosen, rejected


def _weights(tokens: Tokens, marks: Sequence[int]) -> Sequence[int]:
    """Return the weight of each token of a program; `marks` are 1 in the error region, else 0."""
    return [1] * len(marks) if tokens == "all" else marks


def _program(number: int, row: TokenizedPair, labels: list[Label]) -> _Piece:
    """Return prompt and program in a row of their own."""
    piece = _Piece(number)
    piece.append(row.prompt_ids + [label[0] for label in labels], 0, labels)
    piece.trunk = len(piece)
    return piece


def _forked(number: int, row: TokenizedPair, chosen: list[Label], rejected: list[Label]) -> _Piece:
    """Return the chosen program as the trunk and the rejected one as its branch.

    Labels of the shared beginning have the w+ of the one and the w- of the other.
    """
    # Prompt p q, chosen program a b c, rejected program a x y c, of which x y count (fork = 1, end = 3):
    #
    #   slot       0 1 2 3 | 4 5
    #   token      p q a b | a x      the trunk, and from slot 4 on the branch
    #   position   0 1 2 3 | 2 3      as if the branch stood in a row of its own
    #   label      - a b c | x y
    #   sees       those before   |   slots 0 and 1 (`seen` = 2), and the branch up to itself
    #
    # The last token of the rejected program, c, does not count, so nothing is computed for it.
    fork = shared_prefix(row.chosen_ids, row.rejected_ids)
    end = marked_end([label[2] for label in rejected])
    shared: list[Label] = []
    for (token, plus, _, nll, ref), (_, _, minus, *_) in zip(chosen[:fork], rejected[:fork], strict=True):
        shared.append((token, plus, minus, nll, ref))
    piece = _program(number, row, shared + chosen[fork:])
    if end > fork:
        # The branch starts with the token before the first difference once more: only there the two can part.
        piece.seen = max(len(row.prompt_ids) + fork - 1, 0)
        piece.append(
            row.prompt_ids + row.rejected_ids[:end],
            piece.seen,
            rejected[fork:end],
        )
    return piece


def pack(lengths: Sequence[int], multiple: int) -> tuple[int, list[Place]]:
    """Return rows for pieces of these lengths: first-fit-decreasing, at the width that costs least.

    Widths are multiples of `multiple`, from the longest piece up to three times that. A wider row saves padding, but
    without a kernel that knows better its attention also covers the part that its mask hides.

    Args:
        lengths: slots of each piece.
        multiple: of the width.

    Returns:
        The width, and the place of each piece.

    >>> pack([3, 5, 2, 4], 1)
    (7, [(1, 4), (0, 0), (0, 5), (1, 0)])
    """
    # Pieces of 5, 4, 3 and 2 slots: at width 5 the rows are 5, 4 and 3 + 2, which is 15 slots; at width 6 they are 5,
    # 4 + 2 and 3, which is 18; at width 7 they are 5 + 2 and 4 + 3, which is 14, and no slot is padding.
    narrowest = _round_up(max(lengths), multiple)
    widths = range(narrowest, 3 * narrowest + 1, multiple)
    packings = [(width, _first_fit(lengths, width)) for width in widths]
    return min(packings, key=lambda packing: _cost(*packing))


def _cost(width: int, places: Sequence[Place]) -> float:
    rows = 1 + max(row for row, _ in places)
    return rows * width * (1 + width / _WIDTH_THAT_DOUBLES)


def _first_fit(lengths: Sequence[int], width: int) -> list[Place]:
    """Return the place of each piece: the longest first, each in the first row that has room for it."""
    filled: list[int] = []
    places: dict[int, Place] = {}
    longest_first = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    for index in longest_first:
        length = lengths[index]
        row = _first_with_room(filled, width - length)
        if row == len(filled):
            filled.append(0)
        places[index] = (row, filled[row])
        filled[row] += length
    return [places[index] for index in range(len(lengths))]


def _first_with_room(filled: Sequence[int], most: int) -> int:
    """Return the first row of which at most `most` slots are filled, or the number of a new row."""
    for row, used in enumerate(filled):
        if used <= most:
            return row
    return len(filled)


def _round_up(length: int, multiple: int) -> int:
    """Return the next multiple, at least one of them."""
    return max(ceil(length / multiple), 1) * multiple


def _rows(
    pieces: Sequence[_Piece],
    places: Sequence[Place],
    width: int,
    pad_token_id: int,
) -> Batch:
    """Return tokens and positions of all slots; those without a piece are padding, at position 0."""
    rows = 1 + max(row for row, _ in places)
    tokens = [pad_token_id] * (rows * width)
    positions = [0] * (rows * width)
    for piece, (row, offset) in zip(pieces, places, strict=True):
        start = row * width + offset
        taken = slice(start, start + len(piece))
        tokens[taken] = piece.tokens
        positions[taken] = piece.positions
    return {
        "input_ids": torch.tensor(tokens).view(rows, width),
        "position_ids": torch.tensor(positions).view(rows, width),
    }


def _labels(pieces: Sequence[_Piece], places: Sequence[Place], width: int) -> Batch:
    """Return the labels of all pieces, those of one pair together, in the order of the pairs."""
    slots: list[int] = []
    pairs: list[int] = []
    labels: list[Label] = []
    placed = sorted(zip(pieces, places, strict=True), key=lambda each: each[0].pair)
    for piece, (row, offset) in placed:
        start = row * width + offset
        slots += [start + place for place in piece.places]
        pairs += [piece.pair] * len(piece.labels)
        labels += piece.labels
    batch = {
        "slots": torch.tensor(slots, dtype=torch.long),
        "pair": torch.tensor(pairs, dtype=torch.long),
        "labels": torch.tensor([label[0] for label in labels], dtype=torch.long),
    }
    for number, name in enumerate(_WEIGHTS, start=1):
        batch[name] = torch.tensor([label[number] for label in labels], dtype=torch.float32)
    return batch


def _visible(pieces: Sequence[_Piece], places: Sequence[Place], shape: torch.Size) -> torch.Tensor:
    """Return (start, end, branch) for every slot of a row, as `attention.mask_function` takes them."""
    # In the example of `_forked` the slots of the trunk have (0, 0, 0): from the start of the row up to themselves.
    # Those of the branch have (0, 2, 4): slots 0 and 1, and those from slot 4 on up to themselves.
    visible = torch.zeros(*shape, 3, dtype=torch.long)
    visible[..., 2] = torch.arange(shape[1])  # padding sees itself: a softmax over nothing is not a number
    for piece, (row, offset) in zip(pieces, places, strict=True):
        branch = offset + piece.trunk
        end = offset + len(piece)
        visible[row, offset:end] = offset
        visible[row, branch:end, 1] = offset + piece.seen
        visible[row, branch:end, 2] = branch
    return visible
