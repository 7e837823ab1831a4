"""Find, keep and mark checkpoints so that a training survives `kill -9`."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from iterpref_core.models.pretrained.lineage import training_versions
from iterpref_core.records.config import TrainingParams
from iterpref_core.records.digest import digest_of
from iterpref_core.records.errors import TrainingError
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.training.objectives.objective_settings import RESOLVED, settings_of

logger = logging.getLogger(__name__)

TRAINED_BY = (
    "iterpref_core.models.pretrained",
    "iterpref_core.records.objective_table",
    "iterpref_core.training.data",
    "iterpref_core.training.model",
    "iterpref_core.training.objectives",
    "iterpref_core.training.trainer",
)
"""The code that decides trained weights, which dvc.yaml names for the stage."""

_WHOLE = "whole"
_ADVICE = "lower the learning rate (or raise training.max_margin, if the margin ended it)"
"""The remedy for a training that diverged."""
_KEY_DIGITS = 16
_LARGE = 2_000_000_000
"""Larger checkpoints, in bytes, are written by the clock: 7B in float32 with optimizer state has 84 GB."""
_SECONDS = 1800.0


def run_key(digests: Mapping[str, str], fingerprint: str, objective: str, params: TrainingParams) -> str:
    """Return a digest of all that decides the trained weights: a checkpoint of another run is never resumed from.

    Args:
        digests: of the files of rows.
        fingerprint: the model's.
        objective: the objective's name.
        params: settings; the values of other objectives do not count.
    """
    settings = params.model_dump(exclude={"accelerate", "start", *RESOLVED}) | settings_of(objective, params).values()
    # Other code or packages make other weights, so their checkpoints are not resumed from.
    versions = [code_digest(*TRAINED_BY), training_versions()]
    decisive = [
        dict(digests),
        fingerprint,
        objective,
        settings,
        *versions,
    ]
    return digest_of(decisive, _KEY_DIGITS)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end, if any."""
    return max(filter(is_whole, folder.glob("checkpoint-*")), key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """Return the optimizer step after which a checkpoint was written.

    >>> step_of(Path("checkpoints/checkpoint-120"))
    120
    """
    _, _, step = checkpoint.name.rpartition("-")
    return int(step)


def last_before_divergence(folder: Path, diverged: Exception, *, warn: bool) -> Path:
    """Return the checkpoint that becomes the model of a training that diverged, and warn.

    Args:
        folder: holds the checkpoints.
        diverged: the error that ended training.
        warn: False: another process warns.

    Raises:
        TrainingError: training diverged before its first checkpoint.
    """
    # The newest checkpoint is from before the step that diverged.
    last = last_checkpoint(folder)
    if last is None:
        raise TrainingError(
            f"training diverged: {diverged}, before its first checkpoint, so a model is missing; {_ADVICE}"
        )
    if warn:
        logger.warning("training diverged: %s; an earlier checkpoint becomes the model; %s", diverged, _ADVICE)
    return last


def folder_bytes(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def log_left_over(folder: Path, objective: str) -> None:
    """Log the checkpoints that killed trainings with other settings left next to a folder, with their size.

    Args:
        folder: of this training, `OBJECTIVE-KEY`.
        objective: its name; others may train at this moment.
    """
    digits = "[0-9a-f]" * _KEY_DIGITS
    for other in sorted(folder.parent.glob(f"{objective}-{digits}*")):
        size = folder_bytes(other)
        if other != folder and size:
            logger.warning(
                "%s: checkpoints of a training with other settings, %.1f GB; remove them unless you go on with it",
                other,
                size / 1e9,
            )


class SaveSeldom(TrainerCallback):
    """A callback that spares large checkpoints: one in half an hour at most, and the last.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._is_large = False

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take a save back that comes too early."""
        early = self._clock() - self._last < _SECONDS
        if self._is_large and early and state.global_step < state.max_steps:
            control.should_save = False

    def on_save(self, args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Remember when a checkpoint was written, and how large it is."""
        self._last = self._clock()
        self._is_large = folder_bytes(Path(args.output_dir) / f"checkpoint-{state.global_step}") > _LARGE


def is_whole(checkpoint: Path) -> bool:
    """Return True if a checkpoint was written to its end."""
    return (checkpoint / _WHOLE).exists()


def mark_whole(checkpoint: Path) -> None:
    """Mark a checkpoint that every process has written to its end."""
    (checkpoint / _WHOLE).touch()
