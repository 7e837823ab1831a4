"""Batch layouts: how pairs become the rows of a batch.

`padded`: two rows a pair, as everywhere. `fork`: the chosen program follows the prompt (the trunk); the rejected one
branches off where it first differs, and ends with the last of its tokens that counts. What the two share is computed
once, which for local fixes is most of it. Several such pairs stand in one row, so that next to nothing is padding.

A row consists of slots. A slot holds a token at a position. Beside the rows stands a table of labels: the slot that
predicts, the token that it should predict, and what that counts for: w+, w-, v, and its log-probability under the
reference. Labels that count for nothing are left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from iterpref_core.config import Layout
from iterpref_core.training.masks import marked_end, shared_prefix

Batch = dict[str, torch.Tensor]
Pair = dict[str, Any]
"""One pair's `columns.COLUMNS`."""
Place = tuple[int, int]
"""A row, and the slot in it."""

PAD_TO_MULTIPLE_OF = 16
"""Few distinct shapes: CPU kernels keep scratch memory for each, GPU kernels like multiples."""

_WIDTH_THAT_DOUBLES = 600
"""At about this width attention, what its mask hides included, costs a CPU as much as all else in a slot of a small
model. For larger models it costs less, but rows are full enough at any width."""

_LABEL = ("chosen_weights", "rejected_weights", "nll_weights", "ref_logps")


class Collator(Protocol):
    """Makes a batch of B pairs: R rows of N slots with M labels, those of one pair together, in the order of the pairs.

    `input_ids` and `position_ids` are (R, N). Of each label, (M,): `label_slots` (counted through all rows),
    `label_targets`, `chosen_weights` (w+), `rejected_weights` (w-), `nll_weights` (v), `ref_logps`. `labels_per_pair`
    is (B,). Who sees whom: `attention_mask`, (R, N), where rows are plainly causal, else `visible`, (R, N, 3); see
    `attention.dense_mask`.
    """

    def __call__(self, pairs: Sequence[Pair]) -> Batch:
        """Lay the pairs out."""
        ...


@dataclass
class _Piece:
    """Slots that go into one row together, and their labels (slot, target, w+, w-, v, reference).

    Slots from `trunk` on are a branch, which sees the first `seen` slots and itself.
    """

    input_ids: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    labels: list[tuple[int, int, float, float, float, float]] = field(default_factory=list)
    trunk: int = 0
    seen: int = 0

    def append(self, sequence: list[int], start: int, labels: list[tuple[float, float, float, float]]) -> None:
        """Append slots that hold `sequence[start:-1]`; `labels` are of the sequence's last tokens."""
        count = max(len(sequence) - 1 - start, 0)
        end = len(self) + count
        self.input_ids += sequence[start : start + count]
        self.position_ids += range(start, start + count)
        labels = labels[-count:] if count else []
        self.labels += [
            (slot, target, *label)
            for slot, target, label in zip(
                range(end - len(labels), end), sequence[len(sequence) - len(labels) :], labels, strict=True
            )
            if any(label[:3])
        ]

    def __len__(self) -> int:
        return len(self.input_ids)


def _chosen_piece(pair: Pair, shared: Sequence[float] = ()) -> _Piece:
    """Prompt and chosen program; `shared` are the w- of the tokens with which the rejected program starts as well."""
    piece, chosen = _Piece(), pair["chosen_ids"]
    labels = zip(
        pair["chosen_weights"],
        [*shared, *[0.0] * (len(chosen) - len(shared))],
        pair["nll_weights"],
        pair["ref_chosen_token_logps"],
        strict=True,
    )
    piece.append(pair["prompt_ids"] + chosen, 0, list(labels))
    piece.trunk = len(piece)
    return piece


def _rejected_labels(pair: Pair) -> list[tuple[float, float, float, float]]:
    weights = zip(pair["rejected_weights"], pair["ref_rejected_token_logps"], strict=True)
    return [(0.0, weight, 0.0, reference) for weight, reference in weights]


def _rejected_piece(pair: Pair) -> _Piece:
    piece = _Piece()
    piece.append(pair["prompt_ids"] + pair["rejected_ids"], 0, _rejected_labels(pair))
    piece.trunk = len(piece)
    return piece


def _forked_piece(pair: Pair) -> _Piece:
    prompt, rejected, weights = pair["prompt_ids"], pair["rejected_ids"], pair["rejected_weights"]
    fork, end = shared_prefix(pair["chosen_ids"], rejected), marked_end(weights)
    piece = _chosen_piece(pair, weights[:fork])
    if end > fork:
        # The branch starts with the token before the first difference once more: only there the two can part.
        piece.seen = max(len(prompt) + fork - 1, 0)
        piece.append(prompt + rejected[:end], piece.seen, _rejected_labels(pair)[fork:end])
    return piece


@dataclass(frozen=True)
class PaddedCollator:
    """Right-pads chosen programs, then rejected ones, to a multiple of `pad_to_multiple_of` slots.

    Without `preference` there are only the chosen rows: SFT has no use for rejected programs and does not pay for them.

    >>> pair = {"prompt_ids": [5, 6], "chosen_ids": [7], "rejected_ids": [8, 9],
    ...         "chosen_weights": [1], "rejected_weights": [0, 1], "nll_weights": [1],
    ...         "ref_chosen_token_logps": [-0.5], "ref_rejected_token_logps": [-1.0, -2.0]}
    >>> batch = PaddedCollator(pad_token_id=0, preference=True)([pair])
    >>> batch["input_ids"]
    tensor([[5, 6, 0],
            [5, 6, 8]])
    >>> batch["label_slots"], batch["label_targets"]
    (tensor([1, 5]), tensor([7, 9]))
    >>> batch["chosen_weights"], batch["rejected_weights"]
    (tensor([1., 0.]), tensor([0., 1.]))
    """

    pad_token_id: int
    preference: bool
    pad_to_multiple_of: int = 1

    def __call__(self, pairs: Sequence[Pair]) -> Batch:
        """See `Collator`."""
        makers: list[Callable[[Pair], _Piece]] = (
            [_chosen_piece, _rejected_piece] if self.preference else [_chosen_piece]
        )
        pieces = [[make(pair) for make in makers] for pair in pairs]
        width = _round_up(max(len(piece) for own in pieces for piece in own), self.pad_to_multiple_of)
        places = [[(index + side * len(pairs), 0) for side in range(len(makers))] for index in range(len(pairs))]
        batch = _assemble(pieces, places, width, self.pad_token_id)
        lengths = torch.zeros(len(batch["input_ids"]), dtype=torch.long)
        for own, (row, _) in _flat(pieces, places):
            lengths[row] = len(own)
        batch["attention_mask"] = (torch.arange(width) < lengths[:, None]).long()
        return batch


@dataclass(frozen=True)
class ForkCollator:
    """Prompt, chosen program, and the part of the rejected one that differs and counts; several pairs in a row.

    >>> pair = {"prompt_ids": [5], "chosen_ids": [6, 7], "rejected_ids": [6, 8, 9],
    ...         "chosen_weights": [1, 1], "rejected_weights": [0, 1, 0], "nll_weights": [1, 1],
    ...         "ref_chosen_token_logps": [-0.5, -1.0], "ref_rejected_token_logps": [-0.5, -2.0, -3.0]}
    >>> batch = ForkCollator(pad_token_id=0)([pair])
    >>> batch["input_ids"], batch["position_ids"]
    (tensor([[5, 6, 6]]), tensor([[0, 1, 1]]))
    >>> batch["label_slots"], batch["label_targets"], batch["rejected_weights"]
    (tensor([0, 1, 2]), tensor([6, 7, 8]), tensor([0., 0., 1.]))
    >>> batch["visible"]
    tensor([[[0, 0, 0],
             [0, 0, 0],
             [0, 1, 2]]])
    """

    pad_token_id: int
    pad_to_multiple_of: int = 1

    def __call__(self, pairs: Sequence[Pair]) -> Batch:
        """See `Collator`."""
        pieces = [_forked_piece(pair) for pair in pairs]
        width, places = pack([len(piece) for piece in pieces], self.pad_to_multiple_of)
        batch = _assemble([[piece] for piece in pieces], [[place] for place in places], width, self.pad_token_id)
        batch["visible"] = _visible(pieces, places, batch["input_ids"].shape)
        return batch


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


def _flat(pieces: Sequence[Sequence[_Piece]], places: Sequence[Sequence[Place]]) -> Iterator[tuple[_Piece, Place]]:
    for own, where in zip(pieces, places, strict=True):
        yield from zip(own, where, strict=True)


def _assemble(
    pieces: Sequence[Sequence[_Piece]], places: Sequence[Sequence[Place]], width: int, pad_token_id: int
) -> Batch:
    """Put every pair's pieces into their places, and their labels into one table."""
    rows = 1 + max(row for where in places for row, _ in where)
    input_ids, position_ids = [pad_token_id] * (rows * width), [0] * (rows * width)
    slots: list[int] = []
    for piece, (row, offset) in _flat(pieces, places):
        first = row * width + offset
        input_ids[first : first + len(piece)] = piece.input_ids
        position_ids[first : first + len(piece)] = piece.position_ids
        slots += [first + label[0] for label in piece.labels]
    labels = [label for own in pieces for piece in own for label in piece.labels]
    columns = list(zip(*labels, strict=True)) or [()] * (2 + len(_LABEL))
    return {
        "input_ids": torch.tensor(input_ids).view(rows, width),
        "position_ids": torch.tensor(position_ids).view(rows, width),
        "label_slots": torch.tensor(slots, dtype=torch.long),
        "label_targets": torch.tensor(columns[1], dtype=torch.long),
        "labels_per_pair": torch.tensor([sum(len(piece.labels) for piece in own) for own in pieces]),
        **{name: torch.tensor(values, dtype=torch.float32) for name, values in zip(_LABEL, columns[2:], strict=True)},
    }


def _visible(pieces: Sequence[_Piece], places: Sequence[Place], shape: torch.Size) -> torch.Tensor:
    """For every slot of a row (start, end, own): it sees the slots [start, end) and those from `own` up to itself."""
    visible = torch.zeros(*shape, 3, dtype=torch.long)
    visible[..., 2] = torch.arange(shape[1])  # padding sees itself: a softmax over nothing is not a number
    for piece, (row, offset) in zip(pieces, places, strict=True):
        end = offset + len(piece)
        visible[row, offset:end] = offset
        visible[row, offset + piece.trunk : end, 1] = offset + piece.seen
        visible[row, offset + piece.trunk : end, 2] = offset + piece.trunk
    return visible


def make_collator(layout: Layout, pad_token_id: int, *, preference: bool, pad_to_multiple_of: int) -> Collator:
    """The collator of a layout."""
    if layout == "fork":
        return ForkCollator(pad_token_id, pad_to_multiple_of)
    return PaddedCollator(pad_token_id, preference, pad_to_multiple_of)
