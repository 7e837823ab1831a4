"""Trainer callbacks: what training tells while it works. The main process speaks for all."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from transformers import TrainerCallback

from iterpref_core.progress import show_progress
from iterpref_core.training.trained_model import curve_entry

OnLog = Callable[[dict[str, float], int], None]
"""Called with (metrics, step) while training runs."""


class ShowSteps(TrainerCallback):
    """Shows training like all other long work; what it opens is closed by whoever trains."""

    def __init__(self, label: str, opened: ExitStack) -> None:
        self._label, self._opened = label, opened
        self._note = ""

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Start where an earlier run stopped."""
        shown = show_progress(self._label, state.max_steps, done=state.global_step, unit="steps")
        self._advance = self._opened.enter_context(shown)

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Remember the loss, to show it beside the next steps."""
        if logs and "loss" in logs:
            self._note = f"loss {logs['loss']:.3f}"

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Count a step."""
        self._advance(note=self._note)


class LogLastStep(TrainerCallback):
    """Logs the last step too, where the number of steps is no multiple of those between two logged ones."""

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before the trainer asks what is to be done after this step."""
        control.should_log = control.should_log or state.global_step == state.max_steps


class Forward(TrainerCallback):
    """Hands every log line on to the caller while training runs."""

    def __init__(self, on_log: OnLog) -> None:
        self._on_log = on_log

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Hand on what belongs to the curve."""
        numbers = curve_entry(logs or {})
        if numbers:
            self._on_log(numbers, state.global_step)
