"""File digest: SHA-256 or MD5 of a file of any size, read piece by piece."""

import hashlib
from pathlib import Path


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The digest, in hexadecimal; DVC knows a file by its `md5`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
