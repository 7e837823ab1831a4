"""Base of the trainer: whole checkpoints, an end at divergence, freed memory."""

from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainingArguments

from iterpref_core.models.pretrained.freed_memory import FreedMemory
from iterpref_core.training.trainer.checkpoint import mark_whole
from iterpref_core.training.trainer.trained_model import write_curve


class DivergedError(Exception):
    """Training must stop: ends the training loop before the step that would follow.

    Attributes:
        reason: the number that is not finite (`loss`, `gradient`, `validation_loss`), or `margin`, beyond its limit.
        step: the optimizer step whose batch showed it, from 1.
        value: that number.
    """

    def __init__(self, reason: str, step: int, value: float) -> None:
        super().__init__(f"{reason} = {value:g} at step {step}")
        self.reason = reason
        self.step = step
        self.value = value


class BaseTrainer(Trainer):
    """A trainer whose checkpoints survive `kill -9`, and can be put in place of the trained weights."""

    def write_curve(self, path: Path, chosen: int | None = None) -> None:
        """Write the training curve as CSV: a row for each step that was logged or validated; the main process does it.

        Args:
            path: of the file.
            chosen: the step whose weights were written, if some were chosen by validation.
        """
        if self.is_world_process_zero():
            write_curve(path, self.state.log_history, chosen)

    def load_weights(self, checkpoint: Path) -> None:
        """Put a checkpoint's weights in place of the trained ones, however they are sharded."""
        self.state.best_model_checkpoint = str(checkpoint)
        self._load_best_model()

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save a checkpoint, and mark it as whole after every process has written its part."""
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            mark_whole(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")


class ReleaseMemory(TrainerCallback):
    """A callback that gives freed memory back after micro-batches, since those that follow have other shapes."""

    def __init__(self) -> None:
        self._freed_memory = FreedMemory()

    def on_substep_end(self, args: TrainingArguments, *_: Any, **__: Any) -> None:
        """Look after a micro-batch that does not end a step."""
        self._freed_memory.after_pass(args.device)

    def on_step_end(self, args: TrainingArguments, *_: Any, **__: Any) -> None:
        """Look after the last micro-batch of a step."""
        self._freed_memory.after_pass(args.device)
