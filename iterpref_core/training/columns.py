"""Data set columns: token ids, reference log-probabilities, and the weights that the objective gives tokens."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from datasets import Dataset, concatenate_datasets

from iterpref_core.objectives.objectives import HALF, Objective, Tokens
from iterpref_core.training.dataset import TokenizedPair
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

STORED = ("prompt_ids", "chosen_ids", "rejected_ids", "focal", "focal_chosen", "half")
"""What weights are made of: fields of `TokenizedPair`, and which of its two ways a pair is read in (`halves`)."""

Columns = dict[str, list[Any]]


def objective_columns(rows: Sequence[TokenizedPair], objective: Objective, reference: ReferenceLogps | None) -> Columns:
    """The columns of pairs in memory, weights included.

    Args:
        rows: the tokenized pairs.
        objective: which tokens count.
        reference: per-token log-probabilities; None for an objective that needs none.
    """
    stored: Columns = {name: [getattr(row, name) for row in rows] for name in STORED[:5]}
    if reference is not None:
        stored |= {"ref_chosen_token_logps": reference.chosen, "ref_rejected_token_logps": reference.rejected}
    if halves(objective) == 1:
        return weigh_tokens(stored, objective)
    stored = {name: values * 2 for name, values in stored.items()}
    return weigh_tokens(stored | {"half": [half for half in range(2) for _ in rows]}, objective)


def objective_dataset(pairs: Dataset, reference: Dataset | None, objective: Objective) -> Dataset:
    """The same of pairs on disk: weights are made when rows are read, so that nothing is held or stored twice.

    Args:
        pairs: `PairTable.dataset`.
        reference: of `reference_logps`, the same pairs.
        objective: which tokens count.
    """
    joined = pairs if reference is None else concatenate_datasets([pairs, reference], axis=1)
    if halves(objective) == 2:
        half = Dataset.from_dict({"half": np.repeat(np.arange(2, dtype=np.int8), len(joined))})
        joined = concatenate_datasets([concatenate_datasets([joined, joined]), half], axis=1)
    return joined.with_transform(partial(weigh_tokens, objective=objective))


def halves(objective: Objective) -> int:
    """How many times the data set has each pair.

    An objective that treats one half of every batch differently has it twice, in both ways: those of whole programs
    first, then those of error regions. `half_batches.AlternatingSampler` draws one of the two.
    """
    return 2 if objective.preference and objective.rejected == HALF else 1


def weigh_tokens(stored: Columns, objective: Objective) -> Columns:
    """The data set's columns of some rows: w+, w- and v stand in the data, so that no cache can mix up two objectives.

    Args:
        stored: the columns `STORED` and the reference's, as far as the objective needs them.
        objective: how tokens count.
    """
    if not objective.preference:
        return _nll_columns(stored, objective)
    logps = {side: stored[f"ref_{side}_token_logps"] for side in ("chosen", "rejected")}
    return {
        "prompt_ids": stored["prompt_ids"],
        "chosen_ids": stored["chosen_ids"],
        "rejected_ids": stored["rejected_ids"],
        "chosen_weights": [token_weights(objective.chosen, marks) for marks in stored["focal_chosen"]],
        "rejected_weights": [
            token_weights(name, marks) for name, marks in zip(_by_row(stored, objective), stored["focal"], strict=True)
        ],
        "nll_weights": [token_weights("all", marks) for marks in stored["focal_chosen"]],
        "ref_chosen_token_logps": logps["chosen"],
        "ref_rejected_token_logps": logps["rejected"],
    }


def token_weights(tokens: Tokens, marks: Sequence[int]) -> list[float]:
    """How much each token of a program counts, of which `marks` are 1 in the error region, else 0."""
    return [1.0] * len(marks) if tokens == "all" else [float(mark) for mark in marks]


def _by_row(stored: Columns, objective: Objective) -> list[Tokens]:
    """How the tokens of each row's rejected program count."""
    if objective.rejected != HALF:
        return [objective.rejected] * len(stored["focal"])
    return ["focal" if half else "all" for half in stored["half"]]


def _nll_columns(stored: Columns, objective: Objective) -> Columns:
    """What the NLL is of stands where otherwise the chosen program does; nothing else counts."""
    program, marks = ("chosen_ids", "focal_chosen") if objective.nll_of == "chosen" else ("rejected_ids", "focal")
    programs = stored[program]
    zeros = [[0.0] * len(program) for program in programs]
    nothing: list[list[int]] = [[] for _ in programs]
    return {
        "prompt_ids": stored["prompt_ids"],
        "chosen_ids": programs,
        "rejected_ids": nothing,
        "chosen_weights": zeros,
        "rejected_weights": nothing,
        "nll_weights": [token_weights("all", own) for own in stored[marks]],
        "ref_chosen_token_logps": zeros,
        "ref_rejected_token_logps": nothing,
    }
