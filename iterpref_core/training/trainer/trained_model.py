"""Write the trained model, as a plain checkpoint or as adapters, and the training curve."""

import csv
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from transformers import PreTrainedModel, Trainer, TrainerCallback
from transformers.integrations.deepspeed import unset_hf_deepspeed_config
from transformers.utils import cached_file

from iterpref_core.models.pretrained.checkpoints import ModelSource, locate_model
from iterpref_core.models.pretrained.lineage import (
    read_lineage,
    write_lineage,
)
from iterpref_core.models.pretrained.weights import load_base
from iterpref_core.records import ModelLineage
from iterpref_core.records.config import SaveDtype
from iterpref_core.records.errors import InputError
from iterpref_core.storage.data_card import CARD
from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.new_folder import new_folder
from iterpref_core.storage.progress import show_progress
from iterpref_core.training.model.policy import is_quantized
from iterpref_core.training.trainer.saved_precision import (
    report_survival,
    round_weights,
)

Entry = Mapping[str, float]

_PROGRESS = ("step", "epoch", "loss", "nll", "learning_rate", "grad_norm")
REWARDS = (
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
)
_SCORES = ("loss", "nll", *REWARDS)
CURVE = (
    *_PROGRESS,
    *REWARDS,
    "focal_fraction",
    *(f"validation/{name}" for name in _SCORES),
)
"""Columns of the training curve; a run has the columns that its objective and settings give it."""

OnLog = Callable[[dict[str, float], int], None]
"""Called with (metrics, step) while training runs."""


def check_out(out: Path, objective: str) -> None:
    """Refuse a folder whose content training would remove, unless that is an earlier model of the same objective.

    Raises:
        InputError: it holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    lineage = read_lineage(out) if out.is_dir() else None
    trained_with = lineage.objective if lineage else None
    if trained_with != objective:
        kept = f"a model trained with {trained_with}" if trained_with else "other files"
        raise InputError(f"{out}: holds {kept}, which training with {objective} would replace; choose another folder")


def write_model(
    trainer: Trainer,
    base: Path | str,
    out: Path,
    lineage: ModelLineage,
    *,
    merge: bool = True,
    save_dtype: SaveDtype = "auto",
) -> float:
    """Write the trained weights with the base model's files.

    All processes take part in gathering; the main process writes.

    Args:
        trainer: holds the trained weights, sharded or not, in full or as adapters.
        base: the model that training started from.
        out: folder for the checkpoint.
        lineage: its origin; the share of the change that rounding left is added.
        merge: whether adapters become part of a whole model; else they are written alone.
        save_dtype: the precision of a whole model; adapters alone are written as they were trained.

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
        if isinstance(trained, PeftModel) and not merge:
            model: PreTrainedModel | PeftModel = trained
            _name_base(trained, base)
        else:
            model, share = _whole_model(trained, load_base(base), weights, save_dtype)
            report_survival(share, model.dtype)
        with new_folder(out, replace=True) as partial:
            _save(model, weights, partial)
            trainer.processing_class.save_pretrained(partial)
            _copy_processor(locate_model(base), partial)
            write_lineage(
                partial,
                lineage.model_copy(update={"surviving_change": round(share, 4)}),
            )
    trainer.accelerator.wait_for_everyone()
    return share


def _whole_model(
    trained: PreTrainedModel | PeftModel,
    held: PreTrainedModel,
    weights: dict[str, torch.Tensor],
    save_dtype: SaveDtype,
) -> tuple[PreTrainedModel, float]:
    """Return the model to be written, and the share of its change that rounding left.

    Args:
        trained: the model that was trained, with adapters or without.
        held: the model that training started from; it becomes the written model.
        weights: the trained ones, gathered; they are taken out.
        save_dtype: the precision to write.
    """
    # The weights of before: their precision is written, and the change is counted from them.
    before = held.state_dict()
    if isinstance(trained, PeftModel):
        held = _merge(trained, held, weights)
        if is_quantized(held):  # its weights are as they can be
            return held, 1.0
        weights = held.state_dict()
    written, share = round_weights(before, weights, save_dtype)
    held.load_state_dict(written, strict=False, assign=True)
    held.tie_weights()
    return held, share


def _merge(trained: PeftModel, held: PreTrainedModel, weights: dict[str, torch.Tensor]) -> PreTrainedModel:
    """Return a model with adapters merged into it, in float32, before rounding."""
    if not is_quantized(held):
        held = held.float()
    names = _names_of_adapters(trained)
    adapted = get_peft_model(held, replace(trained.peft_config["default"]))
    taken = {name: tensor.to(held.device, torch.float32) for name, tensor in weights.items() if name in names}
    assert taken, "no adapter was gathered"
    adapted.load_state_dict(taken, strict=False, assign=True)
    merged: PreTrainedModel = adapted.merge_and_unload(safe_merge=True)  # which leaves the old weights as they are
    return merged


def _names_of_adapters(trained: PeftModel) -> set[str]:
    """Return the names of weights that were trained, or that the base does not have."""
    names = set()
    for name, weight in trained.named_parameters():
        if weight.requires_grad or "lora_" in name:  # MiCA's B is drawn, and not trained
            names.add(name)
    return names


def _name_base(trained: PeftModel, base: Path | str) -> None:
    """Have adapters name the model that they belong to, as `locate_model` finds it."""
    source = locate_model(base)
    options = trained.peft_config["default"]
    options.base_model_name_or_path = source.name_or_path
    options.revision = source.revision


def _copy_processor(base: ModelSource, folder: Path) -> None:
    """Copy the files that a checkpoint needs to read images; if one cannot be had, the model is still written."""
    errors = ("missing_entries", "connection_errors", "gated_repo")
    options = {f"_raise_exceptions_for_{kind}": False for kind in errors}
    for name in ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"):
        found = cached_file(base.name_or_path, name, revision=base.revision, **options)
        if found is not None:
            shutil.copyfile(found, folder / name)


def _save(
    model: PreTrainedModel | PeftModel,
    weights: dict[str, torch.Tensor],
    folder: Path,
) -> None:
    if isinstance(model, PeftModel):
        model.save_pretrained(folder, state_dict=weights)
        # PEFT's card has a path of this machine, and is empty otherwise.
        (folder / CARD).unlink()
    else:
        model.save_pretrained(folder)


def curve_entry(logs: Entry) -> dict[str, float]:
    """Return the numbers of a log line that belong to the curve, by their names there; of a summary an empty one."""
    if "loss" not in logs and "eval_loss" not in logs:
        return {}
    named = {name.replace("eval_", "validation/", 1): value for name, value in logs.items()}
    return {name: float(value) for name, value in named.items() if name in CURVE and value is not None}


def write_curve(path: Path, history: Sequence[Entry], chosen: int | None = None) -> None:
    """Write a row for each step that was logged or scored on validation pairs; with the columns that the run has.

    Args:
        path: of the CSV file.
        history: the trainer's.
        chosen: the step whose weights were written, once it is known. With validation, `chosen` is 1 in its row.
    """
    # A step that is logged and scored has two entries, and one row.
    rows: dict[int, dict[str, Any]] = {}
    for entry in history:
        numbers = curve_entry(entry)
        if numbers:
            step = int(entry["step"])
            row = rows.setdefault(step, {})
            row |= numbers | {"step": step}
    # A column that no row has is left out, such as rewards of SFT.
    named = set(chain.from_iterable(rows.values()))
    columns = [name for name in CURVE if name in named]
    if "validation/loss" in columns and chosen is not None:
        columns.append("chosen")
        for step, row in rows.items():
            row["chosen"] = int(step == chosen)
    with atomic_writer(path) as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[step] for step in sorted(rows))


def mean_loss(history: Sequence[Entry]) -> float:
    """Return the mean loss over all steps, those before a resume included.

    Args:
        history: the trainer's.
    """
    # Each logged loss is the mean since the one before: 0.6 at step 2 and 0.3 at step 6 are 0.4 over all.
    total = 0.0
    last = 0.0
    for entry in history:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - last)
            last = entry["step"]
    return total / last if last else 0.0


class ReportProgress(TrainerCallback):
    """Shows steps, writes the curve as it grows, and hands every point of it on; the main process speaks for all.

    Args:
        label: of the progress shown.
        opened: closes it when training ends.
        curve: CSV that the main process writes.
        on_log: called in the main process.
    """

    def __init__(self, label: str, opened: ExitStack, curve: Path, on_log: OnLog | None) -> None:
        self._label = label
        self._opened = opened
        self._curve = curve
        self._on_log = on_log
        self._note = ""

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Start where an earlier run stopped."""
        shown = show_progress(self._label, state.max_steps, done=state.global_step, unit="steps")
        self._advance = self._opened.enter_context(shown)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count a step, and log the last one and saved ones: no row's mean covers steps of two runs."""
        self._advance(note=self._note)
        last = state.global_step == state.max_steps
        control.should_log = control.should_log or control.should_save or last

    def on_log(
        self,
        _args: Any,
        state: Any,
        _control: Any,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Remember the loss, to show it with the next steps; write and hand on the curve's new point."""
        if logs and "loss" in logs:
            self._note = f"loss {logs['loss']:.3f}"
        if state.is_world_process_zero and (point := curve_entry(logs or {})):
            write_curve(self._curve, state.log_history)
            if self._on_log:
                self._on_log(point, state.global_step)
