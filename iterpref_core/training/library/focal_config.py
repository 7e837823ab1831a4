"""Settings of `FocalDPOTrainer`: TRL's `DPOConfig` with what this project adds, and the use of each of its fields."""

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_args

import torch
from transformers import TrainingArguments
from trl import DPOConfig

from iterpref_core.records.config import AnswerFormat, Layout
from iterpref_core.records.errors import InputError
from iterpref_core.training.objectives.objective_table import find_objective
from iterpref_core.training.training.script_inputs import require_choice


@dataclass
class FocalDPOConfig(DPOConfig):
    r"""TRL's `DPOConfig`, with the objective in place of `loss_type`.

    Fields of `DPOConfig` are used as TRL uses them, or refused if they have another value than by default
    (docs/trl.md has the table). Where nothing is said of `bf16`, a GPU computes in bfloat16, and a CPU does not.

    Args:
        objective: a name in `OBJECTIVES`.
        alpha: weight of the NLL, of an objective that has one.
        layout: how pairs are laid out in rows; `fork` becomes `padded` where the model is not known to be exact so.
        nll: reduction of the NLL, over the batch's tokens (`mean`) or each program's (`sum`).
        max_margin: a mean reward margin beyond it ends training; 0 for no limit.
        max_prompt_length: tokens of a prompt, which loses its start beyond; None: half of `max_length`.
        answer: the form of an answer: the program alone (`bare`), or in a fence (`fenced`).

    Raises:
        InputError: a field has a value that the trainer does not use.

    >>> args = FocalDPOConfig(str(folder), objective="target-rpo", beta=0.2)
    >>> args.objective, args.beta, args.max_length
    ('target-rpo', 0.2, 1024)
    """

    objective: str = field(default="target-dpo", metadata={"help": "The objective: a name in OBJECTIVES."})
    alpha: float = field(default=1.0, metadata={"help": "Weight of the NLL, of an objective that has one."})
    layout: str = field(default="padded", metadata={"help": "padded, or fork, which shares prefixes."})
    nll: str = field(default="mean", metadata={"help": "Reduction of the NLL: mean or sum."})
    max_margin: float = field(default=0.0, metadata={"help": "A mean margin beyond it ends training; 0: none does."})
    max_prompt_length: int | None = field(default=None, metadata={"help": "Tokens of a prompt; half of max_length."})
    answer: str = field(default="bare", metadata={"help": "The form of an answer: bare or fenced."})

    def __post_init__(self) -> None:
        if getattr(self, "bf16", None) is None and (self.use_cpu or not torch.cuda.is_available()):
            self.bf16 = False
        super().__post_init__()
        find_objective(self.objective, {})
        require_choice("FocalDPOConfig", "layout", self.layout, get_args(Layout))
        require_choice("FocalDPOConfig", "nll", self.nll, ("mean", "sum"))
        require_choice("FocalDPOConfig", "answer", self.answer, get_args(AnswerFormat))
        check_fields(self)


USED = frozenset(
    {
        "beta",
        "max_length",
        "model_init_kwargs",
        "pad_token",
        "precompute_ref_batch_size",
        "precompute_ref_log_probs",  # references are always computed before training
    }
)
"""The fields of `DPOConfig` that are used, besides those of `TrainingArguments`."""

_OBJECTIVE = "the objective is the loss (a name in OBJECTIVES)"

REFUSED = {
    "activation_offloading": "activations stay where they are",
    "dataset_num_proc": "pairs are tokenized on all cores",
    "disable_dropout": "dropout would separate the policy from its reference",
    "discopop_tau": _OBJECTIVE,
    "f_alpha_divergence_coef": _OBJECTIVE,
    "f_divergence_type": _OBJECTIVE,
    "label_smoothing": "the objective `robust` smooths labels",
    "ld_alpha": _OBJECTIVE,
    "loss_type": _OBJECTIVE,
    "loss_weights": "the weight of an NLL is alpha",
    "pad_to_multiple_of": "the layout decides the width of rows",
    "padding_free": "layout='fork' has next to no padding",
    "ref_model_mixup_alpha": "the reference does not change",
    "ref_model_sync_steps": "the reference does not change",
    "router_aux_loss_coef": "the balancing loss of mixtures of experts is left out",
    "sync_ref_model": "the reference does not change",
    "truncation_mode": "programs lose their end",
    "trust_remote_code": "a model's own code is never run",
    "use_weighting": _OBJECTIVE,
}
"""The fields of `DPOConfig` that must have their value by default, with the reason."""


def check_fields(args: TrainingArguments) -> None:
    """Refuse fields of `DPOConfig` that are not used and have another value than by default.

    Args:
        args: the trainer's; of `TrainingArguments` nothing is looked at.

    Raises:
        InputError: the first such field, and the reason.
    """
    if not isinstance(args, DPOConfig):
        return
    for name, usual in own_fields().items():
        value = getattr(args, name)
        if name not in USED and value != usual:
            reason = REFUSED.get(name, "it is not known here")
            raise InputError(f"{type(args).__name__}: {name} = {value!r} is not used: {reason}; remove it")


def own_fields() -> dict[str, Any]:
    """Return the fields of `DPOConfig` that `TrainingArguments` does not have, with their values by default."""
    others = {each.name for each in fields(TrainingArguments)}
    found: dict[str, Any] = {}
    for each in fields(DPOConfig):
        if each.name not in others:
            found[each.name] = each.default if each.default_factory is MISSING else each.default_factory()
    found["pad_to_multiple_of"] = None  # of which TRL makes "auto"
    return found
