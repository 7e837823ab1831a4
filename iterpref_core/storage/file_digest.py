"""File digest: SHA-256 or MD5 of a file of any size, read piece by piece."""

import hashlib
from pathlib import Path


def file_digest(path: Path) -> str:
    """The digest, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_md5(path: Path) -> str:
    """The digest by which DVC knows a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
