"""Model fingerprint: the identity for which a cache of a model's outputs is valid."""

import hashlib
import json
from pathlib import Path

from iterpref_core.config import PromptStyle
from iterpref_core.inference.local.checkpoints import is_served, locate_model, served_name
from iterpref_core.inference.local.model_lineage import LINEAGE

_BLOCK = 1 << 20
_BLOCKS = 64


def model_fingerprint(path: Path | str, prompt: PromptStyle = "auto") -> str:
    """A digest of a model's files or, for a hub id, of its name and pinned revision; and of how it reads prompts.

    Of a stage's folder that stands for a model behind an endpoint, a digest of the name it is served under.

    Files up to 64 MiB count whole; of larger ones the size and 64 evenly spaced blocks of 1 MiB, which any further
    training changes and which takes a second where reading 15 GB takes a minute.

    Raises:
        ModelError: there is no model at this path.
    """
    if is_served(path):
        return hashlib.sha256(json.dumps(["served", served_name(path)]).encode()).hexdigest()
    source = locate_model(path)
    folder = Path(source.name_or_path)
    digest = hashlib.sha256(b"" if prompt == "auto" else prompt.encode())
    if not folder.is_dir():
        digest.update(json.dumps([source.name_or_path, source.revision]).encode())
        return digest.hexdigest()
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name != LINEAGE:  # the same weights answer alike, wherever they come from
            digest.update(json.dumps([file.name, _digest_file(file)]).encode())
    return digest.hexdigest()


def _digest_file(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    last = max(size - _BLOCK, 0)
    with path.open("rb") as file:
        for block in range(_BLOCKS):
            file.seek(last * block // (_BLOCKS - 1) if size > _BLOCK * _BLOCKS else _BLOCK * block)
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()
