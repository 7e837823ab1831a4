"""List the objectives, which are variants of one loss.

IterPref's loss (arXiv 2503.02783, section 3.3) and its baselines differ in the tokens that count:

    K+ = sum_t w+_t (log pi - log pi_ref)(y+_t)        K- = sum_t w-_t (log pi - log pi_ref)(y-_t)
    L  = -log sigmoid(beta (K+ - K-)) + alpha * NLL(y+)

DPO weighs every token of both programs; the focal objectives weigh all of y+ but of y- only the error region D-. The
paper's ablations weigh D- in one half of all pairs (Hybrid), or of y+ too only the part that the fix changed
(Symmetric). Length-normalized DPO (arXiv 2411.15124, section 5) has means over tokens instead of these sums.
"""

from dataclasses import dataclass
from typing import Any, Literal

Tokens = Literal["all", "focal"]
"""The tokens of a program that count: all, or only its error region (in y+, what the fix changed)."""

HALF: Literal["half focal"] = "half focal"
"""All tokens of the rejected program in one half of all pairs, only its error region in the other."""
_OF_PREFERENCE = ("beta", "label_smoothing", "max_margin", "reference")
"""Settings of training that the preference term alone reads."""


@dataclass(frozen=True)
class Objective:
    """A row of the table: a loss, and the tokens that count in it.

    Attributes:
        title: its name for readers.
        loss: the preference term, by its name in `training/objectives/losses.py`; None for an objective without one.
        chosen: the tokens of y+ that count in K+.
        rejected: the tokens of y- that count in K-.
        nll_of: the program in the NLL; None for an objective without NLL.
        counterpart: the same objective over all of y-, which the report compares it to.
        per_token: K+ and K- are divided by the number of tokens that count in each.
    """

    title: str
    loss: str | None = None
    chosen: Tokens = "all"
    rejected: Literal["all", "focal", "half focal"] = "all"
    nll_of: Literal["chosen", "rejected"] | None = None
    counterpart: str | None = None
    per_token: bool = False

    @property
    def preference(self) -> bool:
        """Return True if there is a preference term: it reads both programs, and the reference has to be scored."""
        return self.loss is not None

    @property
    def replays(self) -> bool:
        """Return True if the objective learns from a program alone, which has no rejected one: by its NLL."""
        return self.nll_of == "chosen"

    @property
    def regional(self) -> bool:
        """Return True if the objective reads error regions."""
        return self.preference and {self.chosen, self.rejected} != {"all"}

    @property
    def focal(self) -> bool:
        """Return True for the paper's method: all of y+ is pulled up, and of y- the error region alone pushed down."""
        return self.chosen == "all" and self.rejected == "focal"

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the names of the values that its line in `training.objectives` states."""
        return ("learning_rate", *(["alpha"] if self.nll_of else []), *(["beta"] if self.preference else []))

    @property
    def unread(self) -> tuple[str, ...]:
        """Return the parameters, and the sections of parameters, that have no effect on it."""
        of_nll = () if self.nll_of else ("training.alpha", "training.nll")
        of_preference = () if self.preference else tuple(f"training.{name}" for name in _OF_PREFERENCE)
        return (*of_nll, *of_preference, *(() if self.regional else ("localization",)))

    def is_regional_for(self, half: int) -> bool:
        """Return True if of y- the error region alone counts, in this half of all pairs: 0 or 1."""
        return self.rejected == "focal" or (self.rejected == HALF and half == 1)

    def values(self) -> dict[str, Any]:
        """Return the values that decide a training, as JSON; the code of a loss counts in `code_digest`."""
        return {name: getattr(self, name) for name in ("loss", "chosen", "rejected", "nll_of", "per_token")}


OBJECTIVES: dict[str, Objective] = {
    "sft": Objective("SFT on chosen", nll_of="chosen"),
    "dpo": Objective("DPO", "sigmoid"),
    "rpo": Objective("RPO", "sigmoid", nll_of="chosen"),
    "target-dpo": Objective("Target-DPO", "sigmoid", rejected="focal", counterpart="dpo"),
    "target-rpo": Objective("Target-RPO", "sigmoid", rejected="focal", nll_of="chosen", counterpart="rpo"),
    "dpo-norm": Objective("DPO-norm", "sigmoid", per_token=True),
    "target-dpo-norm": Objective(
        "Target-DPO-norm", "sigmoid", rejected="focal", counterpart="dpo-norm", per_token=True
    ),
    "sft-rejected": Objective("SFT-rejected", nll_of="rejected"),
    "hybrid-dpo": Objective("Hybrid-DPO", "sigmoid", rejected=HALF),
    "hybrid-rpo": Objective("Hybrid-RPO", "sigmoid", rejected=HALF, nll_of="chosen"),
    "symmetric-dpo": Objective("Symmetric-DPO", "sigmoid", chosen="focal", rejected="focal"),
    "symmetric-rpo": Objective("Symmetric-RPO", "sigmoid", chosen="focal", rejected="focal", nll_of="chosen"),
}
"""RPO is DPO with an NLL; SFT has the NLL alone. The learning rate, alpha and beta of each are in params.yaml.

The data decide the tokens of an error region: token-level and prefix-suffix diff are other localizers, and
Diff-Augmentation is `localization.widen_lines`. Code-Optimise's DPO and RPO are `dpo` and `rpo` on pairs from sampling.
"""

DELIVERED = tuple(OBJECTIVES)
"""The objectives that params.yaml has a line for; a script may add rows, and gives their values itself."""


def is_unread(key: str, name: str) -> bool:
    """Return True if a parameter has no effect on a training with an objective.

    Args:
        key: of `training` or `localization`, dotted.
        name: the objective's.

    >>> is_unread("training.beta", "sft"), is_unread("training.lora.r", "sft")
    (True, False)
    >>> is_unread("training.objectives.dpo.alpha", "sft")
    True
    """
    others = (f"training.objectives.{other}" for other in OBJECTIVES if other != name)
    return f"{key}.".startswith(tuple(f"{section}." for section in (*OBJECTIVES[name].unread, *others)))
