"""Checkpoints that survive `kill -9`: where they are, and which of them are whole."""

import hashlib
import json
from pathlib import Path

from iterpref_core.config import ObjectiveName, TrainingParams

_WHOLE = "whole"


def run_key(pairs: Path, spans: Path, fingerprint: str, objective: ObjectiveName, params: TrainingParams) -> str:
    """A digest of what decides the trained weights: a checkpoint of another run is never resumed from.

    Args:
        pairs: the pairs' file.
        spans: the spans' file.
        fingerprint: the model's.
        objective: the objective's name.
        params: settings; those of other objectives do not count.
    """
    digest = hashlib.sha256()
    for path in (pairs, spans):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    settings = params.model_dump(exclude={"accelerate", "objectives"}) | {
        "own": params.objectives[objective].model_dump()
    }
    digest.update(json.dumps([fingerprint, objective, settings], sort_keys=True).encode())
    return digest.hexdigest()[:16]


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end, if any."""
    numbered = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in numbered if (path / _WHOLE).exists()), None)


def mark_whole(checkpoint: Path) -> None:
    """Say that a checkpoint was written to its end, by every process that takes part."""
    (checkpoint / _WHOLE).touch()
