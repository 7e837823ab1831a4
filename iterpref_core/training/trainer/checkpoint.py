"""Find checkpoints so that a training survives `kill -9`."""

from collections.abc import Mapping
from pathlib import Path

from iterpref_core.models.pretrained.lineage import training_versions
from iterpref_core.records import TrainingParams, digest_of
from iterpref_core.storage.digests import code_digest
from iterpref_core.storage.whole_folder import is_whole

from ..objectives.objective_settings import settings_of

TRAINED_BY = (
    "iterpref_core.models.pretrained",
    "iterpref_core.models.saving",
    "iterpref_core.programs.answers.fences",
    "iterpref_core.programs.source_code.syntax_tree",
    "iterpref_core.records.objective_table",
    "iterpref_core.training.data",
    "iterpref_core.training.model",
    "iterpref_core.training.objectives",
    "iterpref_core.training.trainer",
)
"""The code that decides trained weights, which dvc.yaml names for the stage."""


def run_key(digests: Mapping[str, str], fingerprint: str, objective: str, params: TrainingParams) -> str:
    """Return a digest of all that decides the trained weights: a checkpoint of another run is never resumed from.

    Args:
        digests: of the files of rows.
        fingerprint: the model's.
        objective: the objective's name.
        params: settings; the values of other objectives do not count.
    """
    settings = settings_of(objective, params).deciding(params)
    # Other code or packages make other weights, so their checkpoints are not resumed from.
    versions = [code_digest(*TRAINED_BY), training_versions()]
    return digest_of([dict(digests), fingerprint, objective, settings, *versions], 16)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that is whole, if any."""
    return max(filter(is_whole, folder.glob("checkpoint-*")), key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """Return the optimizer step after which a checkpoint was written.

    >>> step_of(Path("checkpoints/checkpoint-120"))
    120
    """
    _, _, step = checkpoint.name.rpartition("-")
    return int(step)
