"""DVC digest of an artifact, computed from the files: the name by which MLflow knows data sets and models."""

import hashlib
import json
from pathlib import Path


def dvc_md5(path: Path) -> str:
    """The md5 that DVC writes to dvc.lock: of a file's bytes, or of a folder's sorted listing, ending in `.dir`.

    Raises:
        FileNotFoundError: there is no such file or folder.
    """
    if not path.is_dir():
        return _file_md5(path)
    files = sorted(item.relative_to(path) for item in path.rglob("*") if item.is_file())
    listing = [{"md5": _file_md5(path / item), "relpath": item.as_posix()} for item in files]
    listing.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _file_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
