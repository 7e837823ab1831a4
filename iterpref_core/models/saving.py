"""Write beside a model what the checkpoint that it was made of has there: tokenizer and processor."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from iterpref_core.storage.jsonl import write_text

from .pretrained.checkpoints import find_file, locate_model
from .pretrained.tokenizers import tokenizer_place

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
        write_text(path, json.dumps(written, indent=2, ensure_ascii=False))


def _copy(name: str, revision: str | None, files: Iterable[str], folder: Path) -> None:
    for file in sorted(files):
        found = find_file(name, revision, file)
        if found is not None:
            shutil.copyfile(found, folder / file)
