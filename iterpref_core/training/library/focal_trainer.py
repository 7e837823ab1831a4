"""Focal trainer for scripts: called as TRL's trainers are, with a model's name, a configuration and pairs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

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
from iterpref_core.training.library.focal_config import FocalDPOConfig, check_fields
from iterpref_core.training.library.focal_dataset import (
    FocalDataset,
    focal_dataset,
    form_of,
    score_reference,
    stated_form,
)
from iterpref_core.training.objectives.objective_table import Objective, find_objective
from iterpref_core.training.training.script_inputs import (
    require_choice,
    require_object,
    require_objective_of_pairs,
    require_tokenized,
)
from iterpref_core.training.training.trainer import Pairs, PairTrainer


class FocalDPOTrainer(PairTrainer):
    r"""A trainer for any objective that learns from pairs, which is called as TRL's `DPOTrainer` is.

    Args:
        model: the policy, or its name: a folder or hub id, which is loaded in float32 unless
            `args.model_init_kwargs` has another `dtype`.
        args: settings, best a `FocalDPOConfig`; None: those by default.
        train_dataset: pairs with the columns that `focal_dataset` reads, or what that function made of them. Where the
            reference's log-probabilities are missing, the model computes them now.
        processing_class: the tokenizer, which must have an end token; None: the model's.
        eval_dataset: as `train_dataset`, or several sets by name.
        objective: a row of `OBJECTIVES` or of one's own, or a name; None: as `args` says.
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
        InputError: an argument is of another class, arguments and `args` differ, a data set was made with other
            settings, the objective learns from labeled programs, or training would have noise.
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
        _refuse_others(kwargs)
        if args is None:
            name = model if isinstance(model, (str, Path)) else getattr(model.config, "_name_or_path", "")
            args = FocalDPOConfig(f"{Path(name).name or 'model'}-{type(self).__name__}")
        require_object("FocalDPOTrainer", "args", args, TrainingArguments)
        check_fields(args)
        if args.neftune_noise_alpha:
            raise InputError(
                "FocalDPOTrainer: args.neftune_noise_alpha: noise would separate the policy from its reference; "
                "remove it"
            )
        row = _objective(args, objective)
        require_objective_of_pairs("FocalDPOTrainer", row)
        settings = _settings(
            args,
            beta=beta,
            alpha=alpha,
            layout=layout,
            nll=nll,
            max_margin=max_margin,
        )
        sets = eval_dataset if isinstance(eval_dataset, Mapping) else {"": eval_dataset}
        _check_kind("train_dataset", train_dataset)
        for rows in sets.values():
            if rows is not None:
                _check_kind("eval_dataset", rows)
        policy, tokenizer = _load(model, processing_class, args)

        def read(name: str, rows: Any) -> Pairs:
            """Return tokenized pairs that fit the settings, with references."""
            if isinstance(rows, Dataset):
                return focal_dataset(rows, policy, tokenizer, row, args)
            _check_form(name, rows, row, args, settings["beta"])
            return _with_reference(rows, row, policy, args)

        trained = read("train_dataset", train_dataset)
        validation = {name: read("eval_dataset", rows) for name, rows in sets.items() if rows is not None}
        _check_alike(trained, validation)
        super().__init__(
            policy,
            args,
            trained,
            tokenizer,
            objective=row,
            peft_config=peft_config,
            eval_dataset=validation if isinstance(eval_dataset, Mapping) else validation.get(""),
            **settings,
            **kwargs,
        )


def _refuse_others(kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments of other trainers that this one has no use for.

    Raises:
        InputError: the first one.
    """
    reasons = {
        "compute_metrics": "would need logits, and none are built; use evaluate",
        "data_collator": "is the layout's own; choose layout",
        "ref_model": "is not loaded beside the policy; score the pairs with it: `focal_dataset(pairs, ref_model, …)`",
    }
    for name, reason in reasons.items():
        if kwargs.get(name) is not None:
            raise InputError(f"FocalDPOTrainer: {name} {reason}")


def _objective(args: TrainingArguments, given: Objective | str | None) -> Objective:
    """Return the row of the objective.

    Raises:
        ConfigError: there is no such name.
        InputError: nobody names one, or two are named.
    """
    if isinstance(given, Objective):
        return given
    name = given
    if isinstance(args, FocalDPOConfig):
        name = name or args.objective
        if name != args.objective:
            raise InputError(
                f"FocalDPOTrainer: objective is {name!r}, and args.objective is {args.objective!r}; give one"
            )
    if name is None:
        raise InputError(
            f"FocalDPOTrainer: objective is missing, and {type(args).__name__} has none; give it, or a FocalDPOConfig"
        )
    require_object("FocalDPOTrainer", "objective", name, str, Objective)
    return find_objective(name, {})


def _settings(args: TrainingArguments, **given: Any) -> dict[str, Any]:
    """Return the trainer's settings, each as given or as `args` has it.

    Raises:
        InputError: `beta` is missing, a choice does not exist, or a setting is given twice.
    """
    usual = {"beta": None, "alpha": 1.0, "layout": "padded", "nll": "mean", "max_margin": 0.0}
    settings = {name: _setting(args, name, given[name], value) for name, value in usual.items()}
    if settings["beta"] is None:
        raise InputError(f"FocalDPOTrainer: beta is missing, and {type(args).__name__} has none; give it")
    require_choice("FocalDPOTrainer", "layout", settings["layout"], get_args(Layout))
    require_choice("FocalDPOTrainer", "nll", settings["nll"], ("mean", "sum"))
    return settings


def _setting(args: TrainingArguments, name: str, given: Any, usual: Any) -> Any:
    """Return a setting: as it is given or as `args` has it, else as usual.

    Raises:
        InputError: both are there, and differ.
    """
    holds = isinstance(args, FocalDPOConfig) or (isinstance(args, DPOConfig) and name == "beta")
    if not holds:
        return usual if given is None else given
    stated = getattr(args, name)
    if given is not None and given != stated:
        raise InputError(f"FocalDPOTrainer: {name} is {given!r}, and args.{name} is {stated!r}; give one")
    return stated


def _load(
    model: Any, tokenizer: PreTrainedTokenizerBase | None, args: TrainingArguments
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """Return the model and its tokenizer, loaded where they are named.

    Raises:
        InputError: one of them is of another class, or `model_init_kwargs` has no use.
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
    require_object("FocalDPOTrainer", "model", model, PreTrainedModel, PeftModel)
    if tokenizer is None:
        tokenizer = load_tokenizer(name or model.config._name_or_path)  # noqa: SLF001 - so does TRL
    require_object("FocalDPOTrainer", "processing_class", tokenizer, PreTrainedTokenizerBase)
    if isinstance(args, DPOConfig) and args.pad_token is not None:
        tokenizer.pad_token = args.pad_token
    return model, tokenizer


def _with_reference(rows: Any, objective: Objective, policy: Any, args: TrainingArguments) -> Pairs:
    """Return tokenized pairs, scored by the policy as it is now where the objective needs a reference."""
    form = form_of(rows)
    if objective.scores_reference and form is not None and not form.scored:
        return score_reference(FocalDataset([rows[index] for index in range(len(rows))], form), policy, args)
    return rows  # type: ignore[no-any-return]


def _check_kind(name: str, rows: Any) -> None:
    """Refuse anything but pairs.

    Raises:
        InputError: it is something else, or nobody can say how it was tokenized.
    """
    if isinstance(rows, Dataset):
        return
    if rows is None or not hasattr(rows, "__len__"):
        raise InputError(
            f"FocalDPOTrainer: {name} is a {type(rows).__name__}; give a Dataset with the columns prompt, chosen and "
            "rejected, or what `focal_dataset` made of one"
        )
    require_tokenized("FocalDPOTrainer", name, rows)
    if form_of(rows) is None:
        raise InputError(
            f"FocalDPOTrainer: {name} is a {type(rows).__name__}, of which nobody can say how it was tokenized; give "
            "the data set of `focal_dataset`, a slice of it, or a Subset (torch.utils.data)"
        )


def _check_form(name: str, rows: Any, objective: Objective, args: TrainingArguments, beta: float) -> None:
    """Refuse tokenized pairs that were made with other settings than the trainer's.

    Raises:
        InputError: the first difference.
    """
    form = form_of(rows)
    assert form is not None
    if objective.regional and not form.marked:
        raise InputError(
            f"FocalDPOTrainer: {name} was made of pairs without error regions, which {objective.label} weighs; make it "
            "again with this objective (`focal_dataset`)"
        )
    wanted: dict[str, Any] = {"beta": beta} if form.beta is not None else {}
    wanted |= stated_form(args)
    for field, value in wanted.items():
        if getattr(form, field) != value:
            raise InputError(
                f"FocalDPOTrainer: {name} was made with {field} = {getattr(form, field)!r}, and the trainer has "
                f"{value!r}; make it again with the trainer's args (`focal_dataset`)"
            )


def _check_alike(trained: Any, validation: Mapping[str, Any]) -> None:
    """Refuse validation pairs that were made otherwise than those to train on.

    Raises:
        InputError: the first difference.
    """
    form = form_of(trained)
    for rows in validation.values():
        other = form_of(rows)
        for field in ("max_length", "max_prompt_length", "answer", "prompt"):
            if other is not None and getattr(other, field) != getattr(form, field):
                raise InputError(
                    f"FocalDPOTrainer: eval_dataset was made with {field} = {getattr(other, field)!r}, and "
                    f"train_dataset with {getattr(form, field)!r}; make them alike (`focal_dataset`)"
                )
