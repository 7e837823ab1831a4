"""Trained model and its curve, as training leaves them: a plain checkpoint, whatever it was trained with."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from transformers import PreTrainedModel, Trainer
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from iterpref_core.errors import InputError
from iterpref_core.inference.local.model_lineage import read_lineage, write_lineage
from iterpref_core.inference.local.weights import load_model
from iterpref_core.records import ModelLineage
from iterpref_core.storage.jsonl import atomic_writer

Entry = Mapping[str, float]

_PROGRESS = ("step", "epoch", "loss", "nll", "learning_rate", "grad_norm")
REWARDS = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies")
_SCORES = ("loss", "nll", *REWARDS)
CURVE = (*_PROGRESS, *REWARDS, "focal_fraction", *(f"validation/{name}" for name in _SCORES))
"""Columns of the training curve; a run has those that its objective and settings give it."""


def check_out(out: Path, objective: str) -> None:
    """Refuse a folder whose content training would remove, unless that is an earlier model of the same objective.

    Raises:
        InputError: it holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    lineage = read_lineage(out) if out.is_dir() else None
    if lineage is None or lineage.objective != objective:
        kept = f"a model trained with {lineage.objective}" if lineage and lineage.objective else "other files"
        raise InputError(f"{out}: holds {kept}, which training with {objective} would replace; choose another folder")


def write_model(trainer: Trainer, base: Path | str, out: Path, lineage: ModelLineage) -> None:
    """Write the trained weights in place of the base model's: whole, merged, and in its precision and files.

    All processes take part in gathering, one of them writes.

    Args:
        trainer: holds the trained weights, sharded or not, in full or as adapters.
        base: the model that training started from.
        out: folder for the checkpoint.
        lineage: what it was made of.
    """
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if trainer.accelerator.is_main_process:
        unset_hf_deepspeed_config()  # with which transformers would give each process its share alone
        model = _with_weights(load_model(base, device_map="meta"), trainer, weights)
        partial = out.with_name(f".{out.name}.partial")
        for folder in (partial, out):
            if folder.exists():
                shutil.rmtree(folder)
        model.save_pretrained(partial)
        trainer.processing_class.save_pretrained(partial)
        write_lineage(partial, lineage)
        partial.replace(out)
    trainer.accelerator.wait_for_everyone()


def _with_weights(base: PreTrainedModel, trainer: Trainer, weights: dict[str, torch.Tensor]) -> PreTrainedModel:
    """A base model without weights of its own, given the trained ones in its precision."""
    trained = trainer.accelerator.unwrap_model(trainer.model)
    whole: Any = get_peft_model(base, trained.peft_config["default"]) if isinstance(trained, PeftModel) else base
    kinds = {name: tensor.dtype for name, tensor in whole.state_dict().items()}
    whole.load_state_dict({name: tensor.to(kinds[name]) for name, tensor in weights.items()}, strict=False, assign=True)
    base.tie_weights()
    # Only what is stored under another name, such as a head tied to the embeddings, may be absent.
    assert not any(weight.is_meta for weight in whole.parameters()), "a weight was not gathered"
    return whole.merge_and_unload() if isinstance(trained, PeftModel) else base


def curve_entry(logs: Entry) -> dict[str, float]:
    """The numbers of a log line that belong to the curve, under their names there; none of the summary at the end."""
    if "loss" not in logs and "eval_loss" not in logs:
        return {}
    named = {name.replace("eval_", "validation/", 1): value for name, value in logs.items()}
    return {name: float(value) for name, value in named.items() if name in CURVE}


def write_curve(path: Path, history: Sequence[Entry], chosen: int | None = None) -> None:
    """One row per step that was logged or scored on validation pairs; the columns are those that the run has.

    Args:
        path: of the CSV file.
        history: the trainer's.
        chosen: the step whose weights were written, once it is known. With validation, `chosen` is 1 in its row.
    """
    rows: dict[int, dict[str, Any]] = {}
    for entry in history:
        if numbers := curve_entry(entry):
            step = int(entry["step"])
            rows.setdefault(step, {}).update(numbers | {"step": step})
    columns = [name for name in CURVE if any(name in row for row in rows.values())]
    if "validation/loss" in columns and chosen is not None:
        columns.append("chosen")
        for step, row in rows.items():
            row["chosen"] = int(step == chosen)
    with atomic_writer(path) as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[step] for step in sorted(rows))
