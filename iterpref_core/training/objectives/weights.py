"""Weights of an objective: how much each token of a pair's two programs counts in K+, in K- and in the NLL."""

from collections.abc import Sequence
from typing import NamedTuple

from iterpref_core.records.objective_table import Objective


class ProgramWeights(NamedTuple):
    """The weights of a program's tokens.

    Attributes:
        preference: w+ or w- of each token, or of all.
        nll: v of all tokens.
    """

    preference: Sequence[int] | int
    nll: int


def chosen_weights(objective: Objective, marks: Sequence[int]) -> ProgramWeights | None:
    """Return the weights of y+; None if the objective does not read it.

    Args:
        objective: a row of the table.
        marks: of each token of y+, 1 in D+, else 0.
    """
    if not objective.preference:
        return ProgramWeights(0, 1) if objective.nll_of == "chosen" else None
    return ProgramWeights(marks if objective.chosen == "focal" else 1, 1)


def rejected_weights(objective: Objective, marks: Sequence[int], half: int) -> ProgramWeights | None:
    """Return the weights of y-; None if the objective does not read it.

    Args:
        objective: a row of the table.
        marks: of each token of y-, 1 in D-, else 0.
        half: the half of all pairs, 0 or 1, of an objective that treats them differently.
    """
    if not objective.preference:
        return ProgramWeights(0, 1) if objective.nll_of == "rejected" else None
    return ProgramWeights(marks if objective.is_regional_for(half) else 1, 0)
