"""Where a model is: an ordinary Hugging Face folder, a hub id, or a stage's folder that points at either.

Stage `nanolab` writes `models/student` and `models/debugger`. With the embedded models these are checkpoints.
With another model the folder holds one file, `source.json`, that says where the weights are, so that nothing
downstream knows the difference.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.errors import ModelError
from iterpref_core.jsonl import atomic_writer

SOURCE_FILE = "source.json"


@dataclass(frozen=True)
class ModelSource:
    """What `from_pretrained` needs: a folder or hub id, and the revision where it is a hub id."""

    name_or_path: str
    revision: str | None = None


def locate_model(path: Path | str) -> ModelSource:
    """Follow a stage's folder, a checkpoint folder or a hub id to the weights.

    Raises:
        ModelError: a folder that is named does not exist or holds no model.
    """
    folder = Path(path)
    pointer = folder / SOURCE_FILE
    if pointer.is_file():
        return ModelSource(**json.loads(pointer.read_text(encoding="utf-8")))
    if (folder / "config.json").is_file():
        return ModelSource(str(folder))
    if folder.exists():
        raise ModelError(f"{folder}: holds no model (no config.json); give a Hugging Face folder or a hub id")
    if isinstance(path, Path) or len(folder.parts) > 2 or str(path).startswith((".", "/", "~")):
        raise ModelError(f"{folder}: no such folder; run the stage that writes it or correct the path")
    return ModelSource(str(path))


def pin_model(name: str) -> ModelSource:
    """Check that a model named in params can be had here, and pin a hub id to its present commit.

    Raises:
        ModelError: the folder is no model, or the hub has no such model or cannot be reached.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    source = locate_model(name)
    if Path(source.name_or_path).exists():
        return ModelSource(str(Path(source.name_or_path).resolve()))
    try:
        return ModelSource(name, HfApi().model_info(name).sha)
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        cached = try_to_load_from_cache(name, "config.json") if not isinstance(error, HFValidationError) else None
        if isinstance(cached, str):
            return ModelSource(name, Path(cached).parent.name)
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"model {name!r}: neither a folder here nor a model on the hub that can be reached ({reason}); "
            "correct `model` in params.yaml, or put the checkpoint in a folder and name that"
        ) from None


def write_pointer(folder: Path, source: ModelSource) -> None:
    """Make `folder` stand for a model that lives elsewhere."""
    with atomic_writer(folder / SOURCE_FILE) as file:
        json.dump({"name_or_path": source.name_or_path, "revision": source.revision}, file, indent=2)
        file.write("\n")
