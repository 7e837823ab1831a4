"""The study's methods: what somebody would train with today, and objectives that were made to win."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tasks.grids.trial_training import GRPO, TrainingName

REFERENCE = "SFT"


class Method(NamedTuple):
    """A row of the study.

    Attributes:
        label: its name.
        objective: what it trains with.
        values: parameters that it fixes, by dotted key, whatever a configuration says.
        hypothesis: why it should win, where it was made to.
    """

    label: str
    objective: TrainingName
    values: Mapping[str, Any] = {}
    hypothesis: str = ""


UNWEIGHED_SFT = Method("SFT, alpha 1", "sft", {"training.objectives.sft.alpha": 1.0, "training.nll": "mean"})
"""SFT as it is usually trained. Its gradients soon fall below the norm at which they are clipped, and its steps shrink
with them; a loss that alpha weighs, as RPO's, is clipped in every step. Compared to this alone, RPO gains from that."""

METHODS = (
    Method(REFERENCE, "sft"),
    UNWEIGHED_SFT,
    Method("RAFT", "sft", {"codeflow.source": "sampling"}),
    Method("DPO", "dpo"),
    Method("SimPO", "simpo"),
    Method("RPO", "rpo"),
    Method("Target-DPO", "target-dpo"),
    Method("Target-RPO", "target-rpo"),
    Method("GRPO", GRPO),
)
"""The first is what others are compared to."""

CONTENDERS = tuple(
    method for method in METHODS if method.label in (REFERENCE, UNWEIGHED_SFT.label, "RPO", "Target-RPO")
)
"""SFT and RPO with and without the mask, the question itself: what every regime trains."""

HYPOTHESES = (
    Method(
        "Target-RPO, causal", "target-rpo", {"localization.method": "causal"},
        "a mask of hunks that make tests fail pushes down no line that was right",
    ),
    Method(
        "Fork-RPO", "fork-rpo", {"localization.method": "token"},
        "the first wrong token decides all that follows it, which is right where it stands: only it should fall",
    ),
    Method(
        "Counterpart-RPO", "counterpart-rpo", {},
        "what replaces the error is a tenth of the chosen program's tokens: it should weigh as much as the rest",
    ),
    Method(
        "Balanced-RPO", "balanced-rpo", {},
        "a short error region weighs little in K beside a whole program: it should weigh as much",
    ),
    Method(
        "Sure-RPO", "sure-rpo", {},
        "pushing down what the reference hardly believes only breaks its distribution: push what it is sure of",
    ),
    Method(
        "Unsure-RPO", "unsure-rpo", {},
        "an NLL on tokens that the reference knows only repeats them: all of it should go where it is unsure",
    ),
    Method("Focal SFT", "focal-sft", {}, "without any preference: SFT that learns the fix before the rest"),
    Method("Target-SimPO", "target-simpo", {}, "means over tokens make long and short regions count alike"),
    Method(
        "Target-RPO, all versions", "target-rpo", {"pairs.rejected": "all"},
        "a fix is better than every version that failed before it, of which one pair shows one alone",
    ),
    Method(
        "SFT, all versions", "sft", {"pairs.rejected": "all"},
        "its control: the same programs as often, so as many steps, and those most often that were hard to repair",
    ),
)  # fmt: skip

LABELS = tuple(method.label for method in METHODS + HYPOTHESES)
"""Of all rows that a study can have, in their order."""
