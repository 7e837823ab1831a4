"""Batches of pairs, as dense tensors that two layouts fill.

A batch is rows of slots. A slot holds a token at a position, and at most one label: the token that it should predict,
and what that counts for, w+, w- and v, with its log-probability under the reference. K+ and K- of a pair are sums over
its labels, so the loss does not know how pairs were laid out.

`padded`: two rows a pair, as everywhere. `fork`: the chosen program follows the prompt (the trunk); the rejected one
branches off where it first differs, and ends with the last of its tokens that counts. What the two share is computed
once, which for local fixes is most of it. Several such pairs stand in one row, so that next to nothing is padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from iterpref_core.config import Layout
from iterpref_core.errors import InputError
from iterpref_core.objectives.objectives import HALF, Objective, Tokens
from iterpref_core.training.dataset import TokenizedPair, marked_end, shared_prefix

Batch = dict[str, torch.Tensor]
Place = tuple[int, int]
"""A row, and the slot in it."""

IGNORED = -100
"""The label of a slot that predicts nothing that counts."""
PAIRS, NLL_TOKENS, REJECTED_COUNTED, REJECTED_TOKENS = range(4)
"""Places in `counts`: pairs, tokens in the NLL, tokens of y- that count in K-, all tokens of y-."""
PAD_TO_MULTIPLE_OF = 16
"""Few distinct shapes: CPU kernels keep scratch memory for each, GPU kernels like multiples."""
_WIDTH_THAT_DOUBLES = 600
"""At about this width attention, what its mask hides included, costs a CPU as much as all else in a slot of a small
model. For larger models it costs less, but rows are full enough at any width."""

Label = tuple[int, float, float, float, float]
"""A token, and its w+, w-, v and log-probability under the reference."""
_NO_LABEL: Label = (IGNORED, 0.0, 0.0, 0.0, 0.0)
_WEIGHTS = ("w_chosen", "w_rejected", "w_nll", "ref")


@dataclass
class _Piece:
    """Slots that go into one row together. Those from `trunk` on are a branch, which sees the first `seen` of them."""

    pair: int
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    trunk: int = 0
    seen: int = 0

    def append(self, sequence: list[int], start: int, labels: list[Label]) -> None:
        """Append slots that hold `sequence[start:-1]`; `labels` are of the sequence's last tokens."""
        count = max(len(sequence) - 1 - start, 0)
        kept = [label if any(label[1:4]) else _NO_LABEL for label in labels[len(labels) - min(count, len(labels)) :]]
        self.tokens += sequence[start : start + count]
        self.positions += range(start, start + count)
        self.labels += [_NO_LABEL] * (count - len(kept)) + kept

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Collator:
    """Makes a batch of B pairs: R rows of N slots.

    `input_ids`, `position_ids`, `labels` (`IGNORED` where there is none), `w_chosen` (w+), `w_rejected` (w-), `w_nll`
    (v), `ref` and `pair` (from 0) are (R, N); `counts` is (4,). Who sees whom: `attention_mask`, (R, N), where rows are
    plainly causal, else `visible`, (R, N, 3); see `attention.mask_function`.

    >>> from iterpref_core.objectives.objectives import OBJECTIVES
    >>> pair = TokenizedPair([5], chosen_ids=[6, 7], rejected_ids=[6, 8, 9], focal=[0, 1, 0], focal_chosen=[0, 1],
    ...                      ref_chosen=[-0.5, -1.0], ref_rejected=[-0.5, -2.0, -3.0])
    >>> batch = Collator(OBJECTIVES["target-dpo"], "padded", pad_token_id=0)([pair])
    >>> batch["input_ids"]
    tensor([[5, 6, 0],
            [5, 6, 8]])
    >>> batch["labels"]
    tensor([[   6,    7, -100],
            [-100,    8, -100]])
    >>> batch = Collator(OBJECTIVES["target-dpo"], "fork", pad_token_id=0)([pair])
    >>> batch["input_ids"], batch["position_ids"], batch["labels"]
    (tensor([[5, 6, 6]]), tensor([[0, 1, 1]]), tensor([[6, 7, 8]]))
    >>> batch["w_chosen"], batch["w_rejected"], batch["ref"]
    (tensor([[1., 1., 0.]]), tensor([[0., 0., 1.]]), tensor([[-0.5000, -1.0000, -2.0000]]))
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
        fork, preference = self.layout == "fork", self.objective.preference
        labels = [self._labels(row) for row in rows]
        if fork and preference:
            pieces = [_forked(number, row, *labels[number]) for number, row in enumerate(rows)]
        else:  # SFT has no use for the other programs and does not pay for them
            sides = (0, 1) if preference else (int(self.objective.nll_of == "rejected"),)
            pieces = [_program(number, row, labels[number][side]) for side in sides for number, row in enumerate(rows)]
        if fork:
            width, places = pack([len(piece) for piece in pieces], self.pad_to_multiple_of)
        else:
            width = _round_up(max(map(len, pieces)), self.pad_to_multiple_of)
            places = [(number, 0) for number in range(len(pieces))]
        batch = _fill(pieces, places, width, self.pad_token_id)
        if fork:
            batch["visible"] = _visible(pieces, places, batch["input_ids"].shape)
        else:
            lengths = torch.tensor([[len(piece)] for piece in pieces])
            batch["attention_mask"] = (torch.arange(width) < lengths).long()
        minus = [label[2] for _, rejected in labels for label in rejected] if preference else []
        counts = [len(rows), float(batch["w_nll"].sum()), sum(minus), len(minus)]
        return batch | {"counts": torch.tensor(counts)}

    def _labels(self, row: TokenizedPair) -> tuple[list[Label], list[Label]]:
        """Of the tokens of y+, and of those of y-; without a preference term all are the NLL's."""
        if not self.objective.preference:
            return [(token, 0, 0, 1, 0) for token in row.chosen_ids], [
                (token, 0, 0, 1, 0) for token in row.rejected_ids
            ]
        tokens = self.objective.rejected
        plus = _weights(self.objective.chosen, row.focal_chosen)
        minus = _weights(("focal" if row.half else "all") if tokens == HALF else tokens, row.focal)
        if self.objective.referenced and len(row.ref_rejected) != len(minus):
            raise InputError(
                f"pair {row.task_id!r}: there are no reference log-probabilities, which {self.objective.label} needs; "
                "call `focal_dataset` with this objective"
            )
        ref_chosen = row.ref_chosen if self.objective.referenced else [0.0] * len(plus)
        ref_rejected = row.ref_rejected if self.objective.referenced else [0.0] * len(minus)
        chosen = zip(row.chosen_ids, plus, ref_chosen, strict=True)
        rejected = zip(row.rejected_ids, minus, ref_rejected, strict=True)
        return [(token, w, 0, 1, ref) for token, w, ref in chosen], [
            (token, 0, w, 0, ref) for token, w, ref in rejected
        ]


def _weights(tokens: Tokens, marks: Sequence[int]) -> Sequence[int]:
    """How much each token of a program counts, of which `marks` are 1 in the error region, else 0."""
    return [1] * len(marks) if tokens == "all" else marks


def _program(number: int, row: TokenizedPair, labels: list[Label]) -> _Piece:
    """Prompt and program in a row of their own."""
    piece = _Piece(number)
    piece.append(row.prompt_ids + [label[0] for label in labels], 0, labels)
    piece.trunk = len(piece)
    return piece


def _forked(number: int, row: TokenizedPair, chosen: list[Label], rejected: list[Label]) -> _Piece:
    """The chosen program as the trunk, whose labels have the w- of what both share, and the rejected one's branch."""
    fork, end = shared_prefix(row.chosen_ids, row.rejected_ids), marked_end([label[2] for label in rejected])
    shared = [
        (token, plus, minus, nll, ref)
        for (token, plus, _, nll, ref), (_, _, minus, *_) in zip(chosen[:fork], rejected[:fork], strict=True)
    ]
    piece = _program(number, row, shared + chosen[fork:])
    if end > fork:
        # The branch starts with the token before the first difference once more: only there the two can part.
        piece.seen = max(len(row.prompt_ids) + fork - 1, 0)
        piece.append(row.prompt_ids + row.rejected_ids[:end], piece.seen, rejected[fork:end])
    return piece


def flat_labels(batch: Batch) -> Batch:
    """The labels of a batch, those of one pair together, in the order of the pairs.

    Returns:
        `slots`, which count through all rows, and `labels`, `w_chosen`, `w_rejected`, `w_nll`, `ref` and `pair` there:
        (M,) each.
    """
    slots = (batch["labels"].flatten() != IGNORED).nonzero()[:, 0]
    slots = slots[batch["pair"].flatten()[slots].argsort(stable=True)]
    return {"slots": slots} | {name: batch[name].flatten()[slots] for name in ("labels", "pair", *_WEIGHTS)}


def pack(lengths: Sequence[int], multiple: int) -> tuple[int, list[Place]]:
    """Rows for pieces of these lengths: first-fit-decreasing, at the width that costs least.

    Widths are multiples of `multiple`, from the longest piece up to three times that. A wider row saves padding, but
    without a kernel that knows better its attention also covers what its mask hides.

    Args:
        lengths: slots of each piece.
        multiple: of the width.

    Returns:
        The width, and the place of each piece.

    >>> pack([3, 5, 2, 4], 1)
    (7, [(1, 4), (0, 0), (0, 5), (1, 0)])
    """
    narrowest = _round_up(max(lengths), multiple)
    packings = ((width, _first_fit(lengths, width)) for width in range(narrowest, 3 * narrowest + 1, multiple))
    return min(packings, key=lambda packing: _cost(*packing))


def _cost(width: int, places: Sequence[Place]) -> float:
    rows = 1 + max(row for row, _ in places)
    return rows * width * (1 + width / _WIDTH_THAT_DOUBLES)


def _first_fit(lengths: Sequence[int], width: int) -> list[Place]:
    filled: list[int] = []
    places = dict[int, Place]()
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        row = next((row for row, used in enumerate(filled) if used + lengths[index] <= width), len(filled))
        if row == len(filled):
            filled.append(0)
        places[index] = row, filled[row]
        filled[row] += lengths[index]
    return [places[index] for index in range(len(lengths))]


def _round_up(length: int, multiple: int) -> int:
    return max(-(-length // multiple), 1) * multiple


def _fill(pieces: Sequence[_Piece], places: Sequence[Place], width: int, pad_token_id: int) -> Batch:
    """Put pieces into their places; what is left is padding, at position 0 and without labels."""
    rows = 1 + max(row for row, _ in places)
    slots = rows * width
    tokens, positions, labels, pairs = [pad_token_id] * slots, [0] * slots, [_NO_LABEL] * slots, [0] * slots
    for piece, (row, offset) in zip(pieces, places, strict=True):
        taken = slice(row * width + offset, row * width + offset + len(piece))
        tokens[taken], positions[taken], labels[taken] = piece.tokens, piece.positions, piece.labels
        pairs[taken] = [piece.pair] * len(piece)
    targets, *weights = zip(*labels, strict=True)
    batch = {"input_ids": tokens, "position_ids": positions, "labels": targets, "pair": pairs}
    return {name: torch.tensor(values).view(rows, width) for name, values in batch.items()} | {
        name: torch.tensor(values, dtype=torch.float32).view(rows, width)
        for name, values in zip(_WEIGHTS, weights, strict=True)
    }


def _visible(pieces: Sequence[_Piece], places: Sequence[Place], shape: torch.Size) -> torch.Tensor:
    """For every slot of a row (start, end, branch), as `attention.mask_function` takes them."""
    visible = torch.zeros(*shape, 3, dtype=torch.long)
    visible[..., 2] = torch.arange(shape[1])  # padding sees itself: a softmax over nothing is not a number
    for piece, (row, offset) in zip(pieces, places, strict=True):
        end = offset + len(piece)
        visible[row, offset:end] = offset
        visible[row, offset + piece.trunk : end, 1] = offset + piece.seen
        visible[row, offset + piece.trunk : end, 2] = offset + piece.trunk
    return visible
