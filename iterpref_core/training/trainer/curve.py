"""Write the training curve as it grows, and show the progress of a training."""

import csv
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.progress import show_progress

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
            rows.setdefault(step, {}).update(numbers | {"step": step})
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
        on_log: called in the main process with each point.
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
