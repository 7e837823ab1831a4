"""Focal trainer for scripts: called as TRL's trainers are, with a model's name, a configuration and pairs."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from datasets import Dataset
from peft import PeftConfig, PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments
from trl import DPOConfig

from iterpref_core.models.pretrained.adapters import attach_adapters
from iterpref_core.models.pretrained.checkpoints import locate_model
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.models.pretrained.weights import load_base
from iterpref_core.records.config import Layout
from iterpref_core.records.errors import InputError
from iterpref_core.training.library.focal_config import FocalDPOConfig, check_choices, check_fields, objective_of_pairs
from iterpref_core.training.library.focal_dataset import (
    FocalDataset,
    focal_dataset,
    form_of,
    score_reference,
    stated_form,
)
from iterpref_core.training.objectives.objective_table import Objective
from iterpref_core.training.training.trainer import Pairs, PairTrainer


class FocalDPOTrainer(PairTrainer):
    r"""A trainer for any objective, which is called as TRL's `DPOTrainer` is.

    Args:
        model: the policy, or its name: a folder or hub id, which is loaded in float32 unless
            `args.model_init_kwargs` has another `dtype`.
        args: settings, best a `FocalDPOConfig`; None: those by default.
        train_dataset: pairs with the columns that `focal_dataset` reads, or what that function made of them. Where the
            reference's log-probabilities are missing, the model computes them now.
        processing_class: the tokenizer, which must have an end token; None: the model's.
        eval_dataset: as `train_dataset`, or several sets by name.
        objective: a row of `OBJECTIVES` or of one's own, or a name; None: as `args` says, as for all that follow.
        beta: strength of the implicit KL penalty; None: as `args` says.
        alpha: weight of the NLL, of an objective that has one; None: as `args` says, or 1.
        layout: how pairs are laid out in rows; `fork` becomes `padded` where the model is not known to be exact so;
            None: as `args` says, or `padded`.
        nll: reduction of the NLL term, over the batch's tokens or each program's; None: as `args` says, or `mean`.
        max_margin: a mean reward margin beyond it ends training; None: as `args` says, or 0, which is no limit.
        peft_config: adapters to train instead of the model's own weights.
        **kwargs: as for `Trainer`.

    Raises:
        ConfigError: there is no such objective, or several GPUs are given to one process.
        InputError: a setting is missing, a data set was made with other settings, or training would have noise.
        ModelError: there is no such model, or it cannot be read.

    >>> row = {"prompt": "Add one.", "chosen": "def f(x):\n    y = x + 1\n", "rejected": "def f(x):\n    y = x - 1\n"}
    >>> pairs = Dataset.from_list([row]).map(mark_errors)
    >>> args = FocalDPOConfig(str(folder), max_steps=2, report_to="none", use_cpu=True, bf16=False)
    >>> trainer = FocalDPOTrainer(model, args, pairs, tokenizer)
    >>> result = trainer.train()
    {'train_runtime': ...}
    >>> result.global_step
    2
    """

    def __init__(
        self,
        model: str | Path | PreTrainedModel | PeftModel,
        args: TrainingArguments | None = None,
        train_dataset: Dataset | Pairs | None = None,
        processing_class: PreTrainedTokenizerBase | None = None,
        *,
        eval_dataset: Dataset | Pairs | Mapping[str, Dataset | Pairs] | None = None,
        objective: Objective | str | None = None,
        beta: float | None = None,
        alpha: float | None = None,
        layout: Layout | None = None,
        nll: Literal["mean", "sum"] | None = None,
        max_margin: float | None = None,
        peft_config: PeftConfig | None = None,
        **kwargs: Any,
    ) -> None:
        if args is None:
            name = model if isinstance(model, (str, Path)) else getattr(model.config, "_name_or_path", "")
            args = FocalDPOConfig(f"{Path(name).name or 'model'}-{type(self).__name__}")
        _refuse_others(args, kwargs)
        given = {
            "objective": objective,
            "beta": beta,
            "alpha": alpha,
            "layout": layout,
            "nll": nll,
            "max_margin": max_margin,
        }
        settings = _settings(args, given)
        sets = eval_dataset if isinstance(eval_dataset, Mapping) else {"": eval_dataset}
        validated = {name: rows for name, rows in sets.items() if rows is not None}
        for name, rows in (("train_dataset", train_dataset), *(("eval_dataset", rows) for rows in validated.values())):
            _check_rows(name, rows, settings["objective"], args)
        policy, tokenizer = _load(model, processing_class, args)

        read = partial(_read, policy, tokenizer, settings["objective"], args)
        trained = read(train_dataset)
        validation = {name: read(rows) for name, rows in validated.items()}
        super().__init__(
            policy,
            args,
            trained,
            tokenizer,
            peft_config=peft_config,
            eval_dataset=validation if isinstance(eval_dataset, Mapping) else validation.get(""),
            **settings,
            **kwargs,
        )


def _refuse_others(args: TrainingArguments, kwargs: Mapping[str, Any]) -> None:
    """Refuse settings and arguments of other trainers that this one has no use for.

    Raises:
        InputError: the first one.
    """
    check_fields(args)
    if args.neftune_noise_alpha:
        raise InputError(
            "FocalDPOTrainer: args.neftune_noise_alpha: noise would separate the policy from its reference; remove it"
        )
    reasons = {
        "compute_metrics": "would need logits, and none are built; use evaluate",
        "data_collator": "is the layout's own; choose layout",
        "ref_model": "is not loaded beside the policy; score the pairs with it: `focal_dataset(pairs, ref_model, …)`",
    }
    for name, reason in reasons.items():
        if kwargs.get(name) is not None:
            raise InputError(f"FocalDPOTrainer: {name} {reason}")


def _settings(args: TrainingArguments, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trainer's settings, each as given, else as `args` has it, else as usual.

    Raises:
        InputError: the objective or `beta` is missing, or a choice does not exist.
    """
    settings: dict[str, Any] = {"alpha": 1.0, "layout": "padded", "nll": "mean", "max_margin": 0.0}
    settings |= {name: getattr(args, name) for name in given if hasattr(args, name)}
    settings |= {name: value for name, value in given.items() if value is not None}
    for name in ("objective", "beta"):
        if name not in settings:
            raise InputError(
                f"FocalDPOTrainer: {name} is missing, and {type(args).__name__} has none; give it, or a FocalDPOConfig"
            )
    check_choices(settings)
    return settings | {"objective": objective_of_pairs(settings["objective"])}


def _load(
    model: Any, tokenizer: PreTrainedTokenizerBase | None, args: TrainingArguments
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """Return the model and its tokenizer, loaded where they are named.

    Raises:
        InputError: `model_init_kwargs` has no use.
        ModelError: there is no such model.
    """
    options = dict(args.model_init_kwargs or {}) if isinstance(args, DPOConfig) else {}
    name = model if isinstance(model, (str, Path)) else None
    if name is not None:
        options.setdefault("dtype", torch.float32)
        if options.pop("trust_remote_code", False):
            raise InputError("FocalDPOTrainer: args.model_init_kwargs: a model's own code is never run; remove it")
        revision = options.pop("revision", None)
        if revision is not None:
            name = f"{name}@{revision}"
        source = locate_model(name)
        model = load_base(name, **options)
        if source.adapters is not None:
            model = attach_adapters(model, source, trainable=True)
    elif options:
        raise InputError("FocalDPOTrainer: args.model_init_kwargs: the model is loaded already; give its name")
    if tokenizer is None:
        tokenizer = load_tokenizer(name or model.config._name_or_path)  # noqa: SLF001 - so does TRL
    if isinstance(args, DPOConfig) and args.pad_token is not None:
        tokenizer.pad_token = args.pad_token
    return model, tokenizer


def _read(
    policy: Any, tokenizer: PreTrainedTokenizerBase, objective: Objective, args: TrainingArguments, rows: Any
) -> Pairs:
    """Return tokenized pairs, scored by the policy as it is now where the objective needs a reference."""
    if isinstance(rows, Dataset):
        return focal_dataset(rows, policy, tokenizer, objective, args)
    form = form_of(rows)
    if objective.scores_reference and form is not None and not form.scored:
        return score_reference(FocalDataset([rows[index] for index in range(len(rows))], form), policy, args)
    return rows  # type: ignore[no-any-return]


def _check_rows(name: str, rows: Any, objective: Objective, args: TrainingArguments) -> None:
    """Refuse anything but pairs, and tokenized pairs that were made with other settings than the trainer's.

    Raises:
        InputError: the first difference.
    """
    if isinstance(rows, Dataset):
        return
    form = form_of(rows)
    if form is None:
        raise InputError(
            f"FocalDPOTrainer: {name} is a {type(rows).__name__}; give a Dataset with the columns prompt, chosen and "
            "rejected, or the data set that `focal_dataset` made of one, a slice of it, or a Subset (torch.utils.data)"
        )
    if objective.regional and not form.marked:
        raise InputError(
            f"FocalDPOTrainer: {name} was made of pairs without error regions, which {objective.label} weighs; make it "
            "again with this objective (`focal_dataset`)"
        )
    for field, value in vars(stated_form(args)).items():
        if getattr(form, field) != value:
            raise InputError(
                f"FocalDPOTrainer: {name} was made with {field} = {getattr(form, field)!r}, and the trainer has "
                f"{value!r}; make it again with the trainer's args (`focal_dataset`)"
            )
