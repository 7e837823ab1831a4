"""Data set columns: token ids, reference log-probabilities, and the weights that the objective gives tokens."""

from typing import Any

from iterpref_core.objectives.objectives import Objective
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

Columns = dict[str, list[Any]]


def objective_columns(rows: list[TokenizedPair], objective: Objective, reference: ReferenceLogps | None) -> Columns:
    """The data set's columns: w+, w- and v stand in the data, so that no cache can mix up two objectives.

    An objective that treats one half of every batch differently has each pair twice, in both ways: those of whole
    programs first, then those of error regions. `sampling.AlternatingSampler` draws one of the two.

    Args:
        rows: the tokenized pairs.
        objective: which tokens count.
        reference: per-token log-probabilities; None for an objective that has no preference term.
    """
    if not objective.preference:
        return _nll_columns([row.chosen_ids if objective.nll == "chosen" else row.rejected_ids for row in rows], rows)
    assert reference is not None, "a preference term is relative to a reference"
    weights = {
        "all": [[1] * len(row.rejected_ids) for row in rows],
        "focal": [row.focal for row in rows],
    }
    of_rejected = [weights[objective.rejected]] if objective.rejected in weights else list(weights.values())
    once: Columns = {
        "prompt_ids": [row.prompt_ids for row in rows],
        "chosen_ids": [row.chosen_ids for row in rows],
        "rejected_ids": [row.rejected_ids for row in rows],
        "chosen_weights": [
            row.focal_chosen if objective.chosen == "focal" else [1] * len(row.chosen_ids) for row in rows
        ],
        "nll_weights": [[1] * len(row.chosen_ids) for row in rows],
        "ref_chosen_token_logps": reference.chosen,
        "ref_rejected_token_logps": reference.rejected,
    }
    return {name: values * len(of_rejected) for name, values in once.items()} | {
        "rejected_weights": [row for ways in of_rejected for row in ways]
    }


def _nll_columns(programs: list[list[int]], rows: list[TokenizedPair]) -> Columns:
    """What the NLL is of stands where otherwise the chosen program does; nothing else counts."""
    zeros = [[0.0] * len(program) for program in programs]
    return {
        "prompt_ids": [row.prompt_ids for row in rows],
        "chosen_ids": programs,
        "rejected_ids": [[] for _ in rows],
        "chosen_weights": zeros,
        "rejected_weights": [[] for _ in rows],
        "nll_weights": [[1] * len(program) for program in programs],
        "ref_chosen_token_logps": zeros,
        "ref_rejected_token_logps": [[] for _ in rows],
    }
