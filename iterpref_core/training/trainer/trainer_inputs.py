"""Inputs of the trainer: names become models, data sets become tokens, and a setting without effect is refused."""

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from datasets import Dataset
from peft import PeftConfig, PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments
from trl import DPOConfig

from iterpref_core.models.pretrained.adapters import attach_adapters
from iterpref_core.models.pretrained.checkpoints import locate_model
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.models.pretrained.weights import load_base
from iterpref_core.records.errors import InputError
from iterpref_core.training.data.checks import PairChecks, report_findings
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.model_limits import limit_findings
from iterpref_core.training.objectives.objective_table import HALF, Objective, find_objective
from iterpref_core.training.trainer.focal_config import (
    FocalDPOConfig,
    check_fields,
    check_kind,
    check_numbers,
    usual_value,
)
from iterpref_core.training.trainer.focal_dataset import (
    FocalDataset,
    focal_dataset,
    form_of,
    score_reference,
    stated_form,
)

_REFUSED = {
    "compute_loss_func": "would never be called; give an `Objective` with a loss of its own as objective",
    "compute_metrics": "would need logits, and none are built; use evaluate",
    "data_collator": "is the layout's own; choose layout",
    "model_init": "makes a model that nobody has scored the reference with; give the model",
    "preprocess_logits_for_metrics": "would need logits, and none are built; use evaluate",
    "ref_model": "is not loaded beside the policy; score the pairs with it: `focal_dataset(pairs, ref_model, …)`",
    "tokenizer": "is called processing_class",
}
"""Arguments of other trainers, and the reason why each would have no effect."""


def check_arguments(model: Any, args: Any, tokenizer: Any, peft_config: Any, given: Mapping[str, Any]) -> None:
    """Refuse settings and arguments of other trainers that would have no effect, or a wrong one.

    Args:
        model: the policy or its name.
        args: settings.
        tokenizer: the argument `processing_class`.
        peft_config: adapters to add.
        given: further arguments of the trainer.

    Raises:
        InputError: the first one.
    """
    for name, reason in _REFUSED.items():
        if given.get(name) is not None:
            raise InputError(f"FocalDPOTrainer: {name} {reason}")
    check_kind("FocalDPOTrainer: model", model, str, Path, PreTrainedModel, PeftModel)
    check_kind("FocalDPOTrainer: args", args, TrainingArguments)
    check_kind("FocalDPOTrainer: processing_class", tokenizer, PreTrainedTokenizerBase, NoneType)
    check_kind("FocalDPOTrainer: peft_config", peft_config, PeftConfig, NoneType)
    check_fields(args)
    if isinstance(model, PeftModel) and peft_config is not None:
        raise InputError(
            "FocalDPOTrainer: peft_config: the model has adapters already; leave peft_config out to train these, or "
            "give the model after merge_and_unload()"
        )


def settings_of_trainer(args: TrainingArguments, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trainer's settings, each as given, else as `args` has it, else as usual.

    Raises:
        ConfigError: there is no such objective, or a value cannot be taken.
        InputError: the objective or `beta` is missing, or the objective has no use for a setting.
    """
    stated: dict[str, Any] = {name: getattr(args, name) for name in given if hasattr(args, name)}
    stated |= {name: value for name, value in given.items() if value is not None}
    check_numbers(stated)
    row: Any = stated.get("objective")
    if isinstance(row, str):
        row = find_objective(row)
    for name in ("objective", "beta"):
        if name not in stated and (row is None or row.preference):
            raise InputError(
                f"FocalDPOTrainer: {name} is missing, and {type(args).__name__} has none; give it, or a FocalDPOConfig"
            )
    usual = {name: usual_value(field) for name, field in FocalDPOConfig.__dataclass_fields__.items()}
    for name in row.unread:
        if stated.get(name, 0) not in (0, usual[name]):
            raise InputError(f"FocalDPOTrainer: {name} = {stated[name]} has no effect on {row.title}; remove it")
    strategies = ("random",) if row.rejected == HALF else ("random", "sequential")
    if args.train_sampling_strategy not in strategies:
        raise InputError(
            f"FocalDPOTrainer: args.train_sampling_strategy: {args.train_sampling_strategy} is not known for "
            f"{row.title}; there are {', '.join(strategies)}"
        )
    return usual | stated | {"objective": row}


def load_policy_of(
    model: Any, tokenizer: PreTrainedTokenizerBase | None, args: TrainingArguments, *, adds_adapters: bool
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """Return the model to train and its tokenizer, loaded where they are named.

    Args:
        model: a model, a folder or a hub id.
        tokenizer: as given; None: the model's.
        args: `model_init_kwargs` is read.
        adds_adapters: the trainer adds adapters, so that the model itself needs no weight to train.

    Raises:
        InputError: `model_init_kwargs` has no use, or no weight of the model is trained.
        ModelError: there is no such model.
    """
    options = dict(args.model_init_kwargs or {}) if isinstance(args, DPOConfig) else {}
    name = model if isinstance(model, (str, Path)) else None
    if name is not None:
        if "torch_dtype" in options:  # the name of `dtype` before transformers 5
            options.setdefault("dtype", options.pop("torch_dtype"))
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
    if not adds_adapters and not any(weight.requires_grad for weight in model.parameters()):
        raise InputError(
            "FocalDPOTrainer: no weight of the model is trained; load adapters with is_trainable=True, or give "
            "peft_config"
        )
    if tokenizer is None:
        tokenizer = load_tokenizer(name or model.config._name_or_path)  # noqa: SLF001 - so does TRL
    return model, tokenizer


def read_rows(
    name: str, rows: Any, policy: Any, tokenizer: PreTrainedTokenizerBase, objective: Objective, args: TrainingArguments
) -> Any:
    """Return tokenized pairs, scored by the policy as it is now where they are a script's and need a reference.

    Pairs of `focal_dataset` are held against the model's limits: another model may have read them.

    Args:
        name: of the trainer's argument, for messages.
        rows: a data set of texts, or tokenized pairs.
        policy: the model before training.
        tokenizer: its tokenizer.
        objective: the row of the table.
        args: the trainer's.

    Raises:
        InputError: these are no pairs, or they were made with other settings than the trainer's.
    """
    if isinstance(rows, Dataset):
        return focal_dataset(rows, policy, tokenizer, objective, args)
    _check_rows(name, rows, objective, args)
    form = form_of(rows)
    if form is None:
        return rows
    data = FocalDataset([rows[index] for index in range(len(rows))], form)
    report_findings(limit_findings(policy.config, "the model", PairChecks.of(data)))
    return score_reference(data, policy, args) if objective.scores_reference and not form.scored else data


def _check_rows(name: str, rows: Any, objective: Objective, args: TrainingArguments) -> None:
    """Refuse anything but tokenized pairs, and those that were made with other settings than the trainer's.

    Raises:
        InputError: the first difference.
    """
    is_sequence = hasattr(rows, "__len__") and hasattr(rows, "__getitem__") and not isinstance(rows, Mapping)
    if not is_sequence or not len(rows) or not isinstance(rows[0], TokenizedPair):
        raise InputError(
            f"FocalDPOTrainer: {name} is a {type(rows).__name__}; give a Dataset with the columns prompt, chosen and "
            "rejected, or the data set that `focal_dataset` made of one, a slice of it, or a Subset (torch.utils.data)"
        )
    form = form_of(rows)
    if form is None:
        return
    if objective.regional and not form.marked:
        raise InputError(
            f"FocalDPOTrainer: {name} was made of pairs without error regions, which {objective.title} weighs; make it "
            "again with this objective (`focal_dataset`)"
        )
    for field, value in vars(stated_form(args)).items():
        if getattr(form, field) != value:
            raise InputError(
                f"FocalDPOTrainer: {name} was made with {field} = {getattr(form, field)!r}, and the trainer has "
                f"{value!r}; make it again with the trainer's args (`focal_dataset`)"
            )
