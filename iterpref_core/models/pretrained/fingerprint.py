"""Compute a model's fingerprint, for which caches of its outputs are valid."""

import hashlib
import json
from functools import cache
from pathlib import Path

from iterpref_core.records import PromptFormat
from iterpref_core.storage.digests import file_digest

from .checkpoints import is_served, locate_model, served_name
from .lineage import LINEAGE


def model_fingerprint(path: Path | str, prompt: PromptFormat | None = None) -> str:
    """Return a digest of a model's files or, for a hub id, its name and pinned revision; and of its prompt format.

    Adapters count with their base. A stage's folder that names a model at an endpoint has a digest of the name there.

    Files count whole: 15 GB take some ten seconds, once a process.

    Raises:
        ModelError: the path does not lead to a model.
    """
    if Path(path).is_file():
        return _digest_file(Path(path))
    if is_served(path):
        return served_fingerprint(served_name(path))
    source = locate_model(path)
    digest = hashlib.sha256(_describe(prompt or PromptFormat()).encode())
    # The base, and the adapters on it.
    folders = [Path(source.name_or_path)]
    if source.adapters is not None:
        folders.append(Path(source.adapters))
    for folder in folders:
        if not folder.is_dir():
            pinned = json.dumps([source.name_or_path, source.revision])
            digest.update(pinned.encode())
            continue
        for file in sorted(folder.iterdir()):
            # The same weights answer alike, whatever pairs they were trained on.
            if file.is_file() and file.name != LINEAGE:
                content = json.dumps([file.name, _digest_file(file)])
                digest.update(content.encode())
    return digest.hexdigest()


def served_fingerprint(name: str) -> str:
    """Return a digest of a model's name at an endpoint."""
    served = json.dumps(["served", name])
    return hashlib.sha256(served.encode()).hexdigest()


def _describe(prompt: PromptFormat) -> str:
    """Return the parts of a format that change a model's prompts, as text; empty for the usual format."""
    if prompt.template != "auto":
        return prompt.template
    variables = prompt.chat_template_kwargs
    return json.dumps(variables, sort_keys=True) if variables else ""


def _digest_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    # A file that changes in this process has another size, time or inode.
    stat = path.stat()
    return _digest_once(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@cache
def _digest_once(path: Path, *_: int) -> str:
    """Return the SHA-256 of a file as it is now: one process asks several times for the digest of its model."""
    return file_digest(path)
