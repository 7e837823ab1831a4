"""Write the trained model, as a plain checkpoint or as adapters."""

from dataclasses import replace
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import PreTrainedModel, Trainer
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from iterpref_core.models.pretrained.checkpoints import locate_model
from iterpref_core.models.pretrained.lineage import read_lineage, write_lineage
from iterpref_core.models.pretrained.weights import load_base
from iterpref_core.models.saving import copy_files
from iterpref_core.records import InputError, ModelLineage, SaveDtype, TrainingParams
from iterpref_core.storage.data_card import CARD
from iterpref_core.storage.new_folder import new_folder

from .saved_precision import round_weights


def check_out(out: Path, objective: str) -> None:
    """Refuse a folder whose content training would remove, unless that is an earlier model of the same objective.

    Raises:
        InputError: it holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    lineage = read_lineage(out)
    trained_with = lineage.objective if lineage else None
    if trained_with != objective:
        kept = f"a model trained with {trained_with}" if trained_with else "other files"
        raise InputError(f"{out}: holds {kept}, which training with {objective} would replace; choose another folder")


def write_model(
    trainer: Trainer,
    base: Path | str,
    out: Path,
    lineage: ModelLineage,
    params: TrainingParams,
) -> float:
    """Write the trained weights with the base model's files.

    All processes take part in gathering; the main process writes.

    Args:
        trainer: holds the trained weights, sharded or not, in full or as adapters.
        base: the model that training started from.
        out: folder for the checkpoint.
        lineage: its origin; the share of the change that rounding left is added.
        params: `merge`, whether adapters become part of a whole model or are written alone, as they were trained; and
            `save_dtype`, the precision of a whole model.

    Returns:
        The share of the weights' change that rounding left; 1 in processes that do not write.
    """
    # All processes must call this; with sharding each holds a part.
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    share = 1.0
    if trainer.accelerator.is_main_process:
        # With this configuration transformers would give each process its share alone.
        unset_hf_deepspeed_config()
        trained = trainer.accelerator.unwrap_model(trainer.model)
        with new_folder(out, replace=True) as partial:
            if isinstance(trained, PeftModel) and not params.merge:
                _name_base(trained, base)
                trained.save_pretrained(partial, state_dict=weights)
                # PEFT's card has a path of this machine, and is empty otherwise.
                (partial / CARD).unlink()
            else:
                model, share = _whole_model(trained, load_base(base), weights, params.save_dtype)
                model.save_pretrained(partial)
            copy_files(base, partial, trainer.processing_class)
            write_lineage(partial, lineage.model_copy(update={"surviving_change": round(share, 4)}))
    trainer.accelerator.wait_for_everyone()
    return share


def _whole_model(
    trained: PreTrainedModel | PeftModel,
    start: PreTrainedModel,
    weights: dict[str, torch.Tensor],
    save_dtype: SaveDtype,
) -> tuple[PreTrainedModel, float]:
    """Return the model to be written, and the share of its change that rounding left.

    Args:
        trained: the model that was trained, with adapters or without.
        start: the model that training started from; it becomes the written model.
        weights: the trained ones, gathered; they are taken out.
        save_dtype: the precision to write.
    """
    # The weights of before: their precision is written, and the change is counted from them.
    before = start.state_dict()
    if isinstance(trained, PeftModel):
        start = _merge(trained, start, weights)
        if getattr(start, "is_quantized", False):  # its weights are as they can be
            return start, 1.0
        weights = start.state_dict()
    written, share = round_weights(before, weights, save_dtype)
    start.load_state_dict(written, strict=False, assign=True)
    start.tie_weights()
    return start, share


def _merge(trained: PeftModel, start: PreTrainedModel, weights: dict[str, torch.Tensor]) -> PreTrainedModel:
    """Return a model with adapters merged into it, in float32, before rounding."""
    if not getattr(start, "is_quantized", False):
        start = start.float()
    adapted = get_peft_model(start, replace(trained.peft_config["default"]))
    # The embedding is no adapter, and to find whether it was resized PEFT would ask the hub.
    taken = get_peft_model_state_dict(trained, state_dict=weights, save_embedding_layers=False)
    set_peft_model_state_dict(adapted, taken)
    merged: PreTrainedModel = adapted.merge_and_unload(safe_merge=True)  # which leaves the old weights as they are
    return merged


def _name_base(trained: PeftModel, base: Path | str) -> None:
    """Have adapters name the model that they belong to, as `locate_model` finds it."""
    source = locate_model(base)
    options = trained.peft_config["default"]
    options.base_model_name_or_path = source.name_or_path
    options.revision = source.revision
