"""Write a model with what the checkpoint that it was made of has beside it: tokenizer, processor, other weights."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import cached_file

from iterpref_core.storage.jsonl import atomic_writer

from .pretrained.checkpoints import locate_model
from .pretrained.tokenizers import tokenizer_place
from .pretrained.weights import unplaced_weights

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_TOKENIZER_CONFIG = "tokenizer_config.json"
_TOKENIZER = (
    "tokenizer.json",
    _TOKENIZER_CONFIG,
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
)
_TEMPLATE = ("chat_template.jinja", "chat_template.json")
_PROCESSOR = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")


def save_model(model: PreTrainedModel, base: Path | str, folder: Path) -> None:
    """Write a model's weights and configuration, with the weights of its base that transformers has no place for.

    Layers that predict several tokens at once (`mtp.*`) are of this kind. They are copied as they are, since
    `config.json` announces them.

    Args:
        model: whole, without adapters.
        base: the checkpoint that it was made of; a folder or hub id.
        folder: to write to; it exists.
    """
    model.save_pretrained(folder)
    source = locate_model(base)
    files = _files_of_weights(source.name_or_path, source.revision)
    if getattr(model, "is_quantized", False) or not files:  # quantized modules are not made without weights
        return
    written = _files_of_weights(str(folder))
    left = unplaced_weights(source, files.keys() - written.keys())
    if left:
        _add_weights(folder, written, {name: files[name] for name in left})


def copy_files(base: Path | str, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Copy the files of a checkpoint that texts and images are read with; what cannot be had is left out.

    transformers 5 would write tokenizer_config.json in a form that servers with transformers 4 misread.

    Args:
        base: the checkpoint; a folder or hub id.
        folder: to copy into.
        tokenizer: the checkpoint's, as it is used: without a chat template if that was taken off.
    """
    source = locate_model(base)
    _copy(source.name_or_path, source.revision, _PROCESSOR, folder)
    place = tokenizer_place(source)
    _copy(*place, {*_TOKENIZER, *tokenizer.vocab_files_names.values()}, folder)
    if tokenizer.chat_template is not None:
        _copy(*place, _TEMPLATE, folder)
        return
    path = folder / _TOKENIZER_CONFIG
    written = json.loads(path.read_bytes()) if path.is_file() else {}
    if written.pop("chat_template", None) is not None:
        with atomic_writer(path) as file:
            json.dump(written, file, indent=2, ensure_ascii=False)


def _copy(name: str, revision: str | None, files: Iterable[str], folder: Path) -> None:
    for file in sorted(files):
        found = _find(name, revision, file)
        if found is not None:
            shutil.copyfile(found, folder / file)


def _find(name: str, revision: str | None, file: str) -> Path | None:
    """Return a checkpoint's file; None without it."""
    errors = ("missing_entries", "connection_errors", "gated_repo")
    options = {f"_raise_exceptions_for_{kind}": False for kind in errors}
    found = cached_file(name, file, revision=revision, **options)
    return None if found is None else Path(found)


def _files_of_weights(name: str, revision: str | None = None) -> dict[str, Path]:
    """Return the file of each weight, by the weight's name; empty for a checkpoint in another format."""
    index = _find(name, revision, _INDEX)
    files = {_WEIGHTS} if index is None else {*json.loads(index.read_bytes())["weight_map"].values()}
    found: dict[str, Path] = {}
    for file in files:
        path = _find(name, revision, file)
        if path is not None:
            with safe_open(path, "pt") as opened:
                found |= dict.fromkeys(opened.keys(), path)
    return found


def _add_weights(folder: Path, written: dict[str, Path], added: dict[str, Path]) -> None:
    """Add weights of other files to a checkpoint, in a file of their own."""
    weights = {}
    for name, path in added.items():
        with safe_open(path, "pt") as opened:
            weights[name] = opened.get_tensor(name)
    other = folder / "model-unplaced.safetensors"
    save_file(weights, other, {"format": "pt"})
    files = {name: path.name for name, path in written.items()} | dict.fromkeys(weights, other.name)
    # Where there is a model.safetensors, transformers does not look at an index.
    if (folder / _WEIGHTS).is_file():
        renamed = (folder / _WEIGHTS).rename(folder / "model-placed.safetensors")
        files = {name: renamed.name if file == _WEIGHTS else file for name, file in files.items()}
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    with atomic_writer(folder / _INDEX) as file:
        json.dump({"metadata": {"total_size": size}, "weight_map": dict(sorted(files.items()))}, file, indent=2)
