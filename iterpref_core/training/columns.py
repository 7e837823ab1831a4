"""The data set's columns: token ids, reference log-probabilities, and the weights that the objective gives tokens."""

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
