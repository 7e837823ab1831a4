"""Describe the model that a training starts from, for the lineage of the trained model."""

from pathlib import Path
from typing import Any

from iterpref_core.models.pretrained.checkpoints import locate_model
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.models.pretrained.lineage import read_lineage
from iterpref_core.storage.data_card import find_license


def describe_origin(model: Path | str) -> dict[str, Any]:
    """Return the fields of a `ModelLineage` about the start of a training.

    Args:
        model: folder or hub id of the model, or folder of its adapters.
    """
    source = locate_model(model)
    folder = Path(source.adapters or source.name_or_path)
    base = source.name_or_path
    if folder.is_dir():
        # The path depends on this machine, the name on the model.
        base = folder.resolve().name
    license = None
    if Path(source.name_or_path).is_dir():
        license = find_license(source.name_or_path, "model")
    return {
        "base": base,
        "revision": source.revision,
        "base_weights": model_fingerprint(model),
        "license": license,
        "before": read_lineage(folder),
    }
