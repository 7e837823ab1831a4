"""Code digest: what is kept under the digest of the code that made it is never taken for another version's."""

import hashlib
import platform
from functools import cache
from importlib import import_module
from pathlib import Path


@cache
def code_digest(*packages: str) -> str:
    """A hash of all files of packages and of Python's version, read once: a process goes on with what it has loaded.

    Args:
        packages: dotted names, such as `iterpref_core.training`.
    """
    digest = hashlib.sha256(platform.python_version().encode())
    for package in sorted(packages):
        folder = Path(import_module(package).__path__[0])
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{package}/{path.relative_to(folder)}".encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
