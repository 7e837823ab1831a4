"""Trainer callback: what training tells while it works. The main process speaks for all."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from iterpref_core.progress import show_progress
from iterpref_core.training.trained_model import curve_entry, write_curve

OnLog = Callable[[dict[str, float], int], None]
"""Called with (metrics, step) while training runs."""


class TellProgress(TrainerCallback):
    """Shows steps, writes the curve as it grows, and hands every point of it on.

    Args:
        label: of the progress shown.
        opened: closes it, by whoever trains.
        curve: CSV that the main process writes.
        on_log: called in the main process.
    """

    def __init__(self, label: str, opened: ExitStack, curve: Path, on_log: OnLog | None) -> None:
        self._label, self._opened, self._curve, self._on_log = label, opened, curve, on_log
        self._note = ""

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Start where an earlier run stopped."""
        shown = show_progress(self._label, state.max_steps, done=state.global_step, unit="steps")
        self._advance = self._opened.enter_context(shown)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count a step; the last one is logged too, whatever is between two logged ones."""
        self._advance(note=self._note)
        control.should_log = control.should_log or state.global_step == state.max_steps

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Remember the loss, to show it beside the next steps; write and hand on what belongs to the curve."""
        if logs and "loss" in logs:
            self._note = f"loss {logs['loss']:.3f}"
        if state.is_world_process_zero and (point := curve_entry(logs or {})):
            write_curve(self._curve, state.log_history)
            if self._on_log:
                self._on_log(point, state.global_step)
