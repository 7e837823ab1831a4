"""How pairs become the rows of a batch.

`padded`: two rows a pair, as everywhere. `fork`: one row. The chosen program follows the prompt (the trunk); the
rejected one branches off where it first differs, and ends with the last of its tokens that counts. What the two share
is computed once, which for local fixes is most of it.

A row consists of slots. A slot holds a token at a position, and predicts another: its target. What a target counts for
stands beside it: w+, w-, v, and its log-probability under the reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Protocol

import torch
from transformers import PreTrainedConfig

from iterpref_core.config import Layout
from iterpref_core.errors import ConfigError

Batch = dict[str, torch.Tensor]
Pair = dict[str, Any]
"""One pair's `columns.COLUMNS`."""

PAD_TO_MULTIPLE_OF = 32
"""Few distinct shapes: CPU kernels keep scratch memory for each, GPU kernels like multiples."""

_WHOLE = ("input_ids", "position_ids", "targets")
_REAL = ("chosen_weights", "rejected_weights", "nll_weights", "ref_logps")


class Collator(Protocol):
    """Makes a batch of B pairs: `rows_per_pair` x B rows of N slots, those of chosen programs first.

    Of shape (rows, N): `input_ids`, `position_ids`, `targets`, `chosen_weights` (w+), `rejected_weights` (w-),
    `nll_weights` (v), `ref_logps`. `attention_mask` is (rows, N), or (rows, 1, N, N) where it is not plainly causal.
    """

    @property
    def rows_per_pair(self) -> int:
        """Rows that one pair takes."""
        ...

    def __call__(self, pairs: Sequence[Pair]) -> Batch:
        """Lay the pairs out."""
        ...


@dataclass
class _Row:
    """The slots of one row. `seen`: how many slots of the trunk, which has `trunk` slots, its branch sees."""

    values: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in _WHOLE + _REAL})
    trunk: int = 0
    seen: int = 0

    def append(self, sequence: list[int], start: int, **values: Sequence[float]) -> None:
        """Append slots that hold `sequence[start:-1]` and predict `sequence[start + 1:]`, whose values end together."""
        count = max(len(sequence) - 1 - start, 0)
        self.values["input_ids"] += sequence[start : start + count]
        self.values["position_ids"] += range(start, start + count)
        self.values["targets"] += sequence[start + 1 :]
        for name in _REAL:
            given = list(values.get(name, ()))[-count:] if count else []
            self.values[name] += [0.0] * (count - len(given)) + given

    def __len__(self) -> int:
        return len(self.values["input_ids"])


def _chosen_row(pair: Pair, shared: Sequence[float] = ()) -> _Row:
    """Prompt and chosen program; `shared` are the w- of the tokens with which the rejected program starts as well."""
    row = _Row()
    chosen = pair["chosen_ids"]
    row.append(
        pair["prompt_ids"] + chosen,
        0,
        chosen_weights=pair["chosen_weights"],
        rejected_weights=[*shared, *[0.0] * (len(chosen) - len(shared))],
        nll_weights=pair["nll_weights"],
        ref_logps=pair["ref_chosen_token_logps"],
    )
    row.trunk = len(row)
    return row


def _rejected_row(pair: Pair) -> _Row:
    row = _Row()
    row.append(
        pair["prompt_ids"] + pair["rejected_ids"],
        0,
        rejected_weights=pair["rejected_weights"],
        ref_logps=pair["ref_rejected_token_logps"],
    )
    return row


def _forked_row(pair: Pair) -> _Row:
    prompt, rejected, weights = pair["prompt_ids"], pair["rejected_ids"], pair["rejected_weights"]
    same = takewhile(lambda tokens: tokens[0] == tokens[1], zip(pair["chosen_ids"], rejected, strict=False))
    fork = sum(1 for _ in same)
    end = max((index + 1 for index, weight in enumerate(weights) if weight), default=0)
    row = _chosen_row(pair, weights[:fork])
    if end > fork:
        # The branch starts with the token before the first difference once more: a slot has only one target.
        row.seen = max(len(prompt) + fork - 1, 0)
        row.append(
            prompt + rejected[:end],
            row.seen,
            rejected_weights=weights[:end],
            ref_logps=pair["ref_rejected_token_logps"][:end],
        )
    return row


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
    >>> batch["targets"]
    tensor([[6, 7, 0],
            [6, 8, 9]])
    >>> batch["rejected_weights"]
    tensor([[0., 0., 0.],
            [0., 0., 1.]])
    """

    pad_token_id: int
    preference: bool
    pad_to_multiple_of: int = 1

    @property
    def rows_per_pair(self) -> int:
        """One for each program that counts."""
        return 2 if self.preference else 1

    def __call__(self, pairs: Sequence[Pair]) -> Batch:
        """See `Collator`."""
        rows = [_chosen_row(pair) for pair in pairs]
        if self.preference:
            rows += [_rejected_row(pair) for pair in pairs]
        batch = _pad(rows, self.pad_token_id, self.pad_to_multiple_of)
        lengths = torch.tensor([len(row) for row in rows])
        batch["attention_mask"] = (torch.arange(batch["input_ids"].shape[1]) < lengths[:, None]).long()
        return batch


@dataclass(frozen=True)
class ForkCollator:
    """One row a pair: prompt, chosen program, and the part of the rejected one that differs and counts.

    >>> pair = {"prompt_ids": [5], "chosen_ids": [6, 7], "rejected_ids": [6, 8, 9],
    ...         "chosen_weights": [1, 1], "rejected_weights": [0, 1, 0], "nll_weights": [1, 1],
    ...         "ref_chosen_token_logps": [-0.5, -1.0], "ref_rejected_token_logps": [-0.5, -2.0, -3.0]}
    >>> batch = ForkCollator(pad_token_id=0)([pair])
    >>> batch["input_ids"], batch["position_ids"], batch["targets"]
    (tensor([[5, 6, 6]]), tensor([[0, 1, 1]]), tensor([[6, 7, 8]]))
    >>> batch["attention_mask"].int()
    tensor([[[[1, 0, 0],
              [1, 1, 0],
              [1, 0, 1]]]], dtype=torch.int32)
    """

    pad_token_id: int
    pad_to_multiple_of: int = 1
    rows_per_pair = 1

    def __call__(self, pairs: Sequence[Pair]) -> Batch:
        """See `Collator`."""
        rows = [_forked_row(pair) for pair in pairs]
        batch = _pad(rows, self.pad_token_id, self.pad_to_multiple_of)
        batch["attention_mask"] = _fork_mask(rows, batch["input_ids"].shape[1])
        return batch


def _pad(rows: Sequence[_Row], pad_token_id: int, multiple: int) -> Batch:
    width = max(-(-max(len(row) for row in rows) // multiple), 1) * multiple
    batch = {}
    for name in _WHOLE + _REAL:
        fill, kind = (pad_token_id if name == "input_ids" else 0), (torch.long if name in _WHOLE else torch.float32)
        batch[name] = torch.tensor([row.values[name] + [fill] * (width - len(row)) for row in rows], dtype=kind)
    return batch


def _fork_mask(rows: Sequence[_Row], width: int) -> torch.Tensor:
    """Who sees whom, (rows, 1, N, N): earlier slots, but from a branch only the trunk up to the fork, and itself."""
    slots = torch.arange(width)
    trunk = torch.tensor([row.trunk for row in rows])[:, None, None]
    seen = torch.tensor([row.seen for row in rows])[:, None, None]
    asking, asked = slots[None, :, None], slots[None, None, :]
    return ((asked <= asking) & ((asking < trunk) | (asked < seen) | (asked >= trunk)))[:, None]


def make_collator(layout: Layout, pad_token_id: int, *, preference: bool, pad_to_multiple_of: int) -> Collator:
    """The collator of a layout. Without a preference term there is no branch to lay out, and rows are plain."""
    if layout == "fork" and preference:
        return ForkCollator(pad_token_id, pad_to_multiple_of)
    return PaddedCollator(pad_token_id, preference, pad_to_multiple_of)


def check_fork(config: PreTrainedConfig, longest: int) -> None:
    """Whether a model computes the same for a branch as for a row of its own.

    Args:
        config: the model's.
        longest: tokens of the longest prompt and program.

    Raises:
        ConfigError: it has layers that carry a state from slot to slot, or a window shorter than the programs, or an
            attention that takes no mask of its own.
    """
    text = config.get_text_config()
    remedy = "set train.layout: padded"
    layers = set(getattr(text, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if layers or not getattr(text, "num_attention_heads", None):
        kinds = ", ".join(sorted(layers)) or text.model_type
        raise ConfigError(f"params.yaml: train.layout: fork needs attention in every layer, and not {kinds}; {remedy}")
    window = getattr(text, "sliding_window", None)
    if window and window < longest:
        raise ConfigError(
            f"params.yaml: train.layout: fork: the longest pair has {longest} tokens and the model's window {window}; "
            f"{remedy} or lower train.max_length"
        )
    attention = config._attn_implementation  # noqa: SLF001 - transformers offers no other way to ask
    if attention not in ("sdpa", "eager"):
        raise ConfigError(
            f"params.yaml: train.layout: fork needs the attention `sdpa` or `eager`, and the model has {attention}; "
            f"{remedy}"
        )
