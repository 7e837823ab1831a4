"""Batches for the trainer: chosen programs, then rejected ones, with the weights that the objective gives them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from iterpref_core.training.dataset import TokenisedPair
from iterpref_core.training.objectives import Objective
from iterpref_core.training.reference import ReferenceLogps

COLUMNS = (
    "prompt_ids",
    "chosen_ids",
    "rejected_ids",
    "chosen_weights",
    "rejected_weights",
    "nll_weights",
    "ref_chosen_token_logps",
    "ref_rejected_token_logps",
)


def objective_columns(
    rows: list[TokenisedPair], objective: Objective, reference: ReferenceLogps | None
) -> dict[str, list[list[int]] | list[list[float]]]:
    """The data set's columns: w+, w- and v stand in the data, so that no cache can mix up two objectives.

    Args:
        rows: the tokenised pairs.
        objective: which tokens count.
        reference: per-token log-probabilities; None for an objective that has no preference term.
    """
    preference = int(objective.preference)
    every_rejected = [[preference] * len(row.rejected_ids) for row in rows]
    return {
        "prompt_ids": [row.prompt_ids for row in rows],
        "chosen_ids": [row.chosen_ids for row in rows],
        "rejected_ids": [row.rejected_ids for row in rows],
        "chosen_weights": [[preference] * len(row.chosen_ids) for row in rows],
        "rejected_weights": [row.focal for row in rows] if objective.rejected == "focal" else every_rejected,
        "nll_weights": [[1] * len(row.chosen_ids) for row in rows],
        "ref_chosen_token_logps": reference.chosen if reference else [[0.0] * len(row.chosen_ids) for row in rows],
        "ref_rejected_token_logps": (
            reference.rejected if reference else [[0.0] * len(row.rejected_ids) for row in rows]
        ),
    }


@dataclass(frozen=True)
class PreferenceCollator:
    """Right-pads a batch of B pairs to T tokens, a multiple of `pad_to_multiple_of`.

    With `preference` there are 2B rows, the chosen ones first, else only the B chosen rows: SFT has no use for the
    rejected programs and is not made to pay for them.

    >>> rows = [{"prompt_ids": [5, 6], "chosen_ids": [7], "rejected_ids": [8, 9],
    ...          "chosen_weights": [1], "rejected_weights": [0, 1], "nll_weights": [1],
    ...          "ref_chosen_token_logps": [-0.5], "ref_rejected_token_logps": [-1.0, -2.0]}]
    >>> batch = PreferenceCollator(pad_token_id=0, preference=True)(rows)
    >>> batch["input_ids"]
    tensor([[5, 6, 7, 0],
            [5, 6, 8, 9]])
    >>> batch["weights"]
    tensor([[0., 0., 1., 0.],
            [0., 0., 0., 1.]])
    """

    pad_token_id: int
    preference: bool
    pad_to_multiple_of: int = 1

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Input ids, attention mask, weights (w+ over w-), NLL weights (v over zeros) and reference log-probabilities.

        All have the same shape: (2B, T), or (B, T) without preference.
        """
        sides = ("chosen", "rejected") if self.preference else ("chosen",)
        sequences = [(row["prompt_ids"], row[f"{side}_ids"]) for side in sides for row in rows]
        weights = [row[f"{side}_weights"] for side in sides for row in rows]
        reference = [row[f"ref_{side}_token_logps"] for side in sides for row in rows]
        nll = [
            row["nll_weights"] if side == "chosen" else [0] * len(row["rejected_ids"]) for side in sides for row in rows
        ]
        longest = max(len(prompt) + len(completion) for prompt, completion in sequences)
        width = -(-longest // self.pad_to_multiple_of) * self.pad_to_multiple_of
        prompts = [len(prompt) for prompt, _ in sequences]
        return {
            "input_ids": torch.tensor(
                [self._row(prompt + completion, width, self.pad_token_id) for prompt, completion in sequences]
            ),
            "attention_mask": torch.tensor(
                [self._row([1] * (len(prompt) + len(completion)), width, 0) for prompt, completion in sequences]
            ),
            "weights": self._behind(prompts, weights, width),
            "nll_weights": self._behind(prompts, nll, width),
            "ref_logps": self._behind(prompts, reference, width),
        }

    @staticmethod
    def _row(values: list[int], width: int, fill: int) -> list[int]:
        return values + [fill] * (width - len(values))

    @staticmethod
    def _behind(prompts: list[int], values: Sequence[Sequence[float]], width: int) -> torch.Tensor:
        """Values of completion tokens at the tokens' places in the padded rows, zeros elsewhere."""
        placed = torch.zeros(len(values), width)
        for row, (start, row_values) in enumerate(zip(prompts, values, strict=True)):
            placed[row, start : start + len(row_values)] = torch.tensor(row_values, dtype=torch.float32)
        return placed
