"""Checkpoint resolution: an ordinary Hugging Face folder, a hub id, or a stage's folder that points at either.

Or behind an endpoint, which knows it by a name; then there are no weights to be found.

Stage `nanolab` writes `models/student` and `models/debugger`. With the embedded models these are checkpoints.
With another model the folder holds one file, `source.json`, that says where the weights are, so that nothing
downstream knows the difference.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.config import BackendName
from iterpref_core.errors import ModelError
from iterpref_core.storage.jsonl import atomic_writer

SOURCE_FILE = "source.json"
EMBEDDED = "nanolab"
"""Names the models that stage `nanolab` trains."""


@dataclass(frozen=True)
class ModelSource:
    """What `from_pretrained` needs: a folder or hub id, and the revision where it is a hub id.

    `served`: it is the name under which an endpoint knows the model.
    """

    name_or_path: str
    revision: str | None = None
    served: bool = False


def locate_model(path: Path | str) -> ModelSource:
    """Follow a stage's folder, a checkpoint folder or a hub id to the weights.

    Raises:
        ModelError: a folder that is named does not exist or holds no model, or the model is served elsewhere.
    """
    folder = Path(path)
    source = _read_pointer(folder)
    if source is not None and source.served:
        raise ModelError(
            f"{folder}: {source.name_or_path!r} is a model behind an endpoint (inference.backend); its weights are not "
            "here, so it can be asked and nothing else"
        )
    if source is not None:
        return source
    if (folder / "config.json").is_file():
        return ModelSource(str(folder))
    if folder.exists():
        raise ModelError(f"{folder}: holds no model (no config.json); give a Hugging Face folder or a hub id")
    if isinstance(path, Path) or len(folder.parts) > 2 or str(path).startswith((".", "/", "~")):
        raise ModelError(f"{folder}: no such folder; run the stage that writes it or correct the path")
    return ModelSource(str(path))


def served_name(path: Path | str) -> str:
    """The name under which an endpoint knows a model: of a stage's folder that says so, or given as it is.

    Raises:
        ModelError: the folder stands for a checkpoint, or does not exist.
    """
    source = _read_pointer(Path(path))
    if source is not None and source.served:
        return source.name_or_path
    if source is not None or isinstance(path, Path):
        raise ModelError(
            f"{path}: is no model behind an endpoint, as inference.backend wants one; run stage nanolab again, or give "
            "the name under which the model is served"
        )
    return path


def name_served(name: str, backend: BackendName) -> ModelSource:
    """A debugger that has no weights here.

    Raises:
        ModelError: it is the embedded one, and an endpoint is asked.
    """
    if name == EMBEDDED and backend == "openai":
        raise ModelError(
            "model.debugger: 'nanolab' is a model of this experiment, and inference.backend says that an endpoint is "
            "asked; give the name under which the endpoint serves its model, or choose another backend"
        )
    return ModelSource(served_name(name), served=True)


def is_served(path: Path | str) -> bool:
    """Whether a stage's folder stands for a model behind an endpoint."""
    source = _read_pointer(Path(path))
    return source is not None and source.served


def _read_pointer(folder: Path) -> ModelSource | None:
    try:
        return ModelSource(**json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None


def pin_model(name: str) -> ModelSource:
    """Check that a model named in params can be had here, and pin a hub id to its present commit.

    Raises:
        ModelError: the folder is no model, or the hub has no such model or cannot be reached.
    """
    from httpx2 import HTTPError  # which the hub's library lets through, where there is no network
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    source = locate_model(name)
    if Path(source.name_or_path).exists():
        return ModelSource(str(Path(source.name_or_path).resolve()))
    try:
        return ModelSource(name, HfApi().model_info(name).sha)
    except (HTTPError, HFValidationError, OSError) as error:
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
        json.dump({key: value for key, value in vars(source).items() if value is not False}, file, indent=2)
        file.write("\n")
