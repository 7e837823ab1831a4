"""Return digests of files, and of code, so that other versions of the code do not reuse results."""

import hashlib
import platform
from functools import cache
from importlib import import_module
from pathlib import Path


@cache
def code_digest(*packages: str) -> str:
    """Return a hash of all files of packages or modules, and of Python's version.

    The files are read once in a process, because the process goes on with the code that it has loaded.

    Args:
        packages: dotted names, such as `iterpref_core.training.trainer`.
    """
    digest = hashlib.sha256(platform.python_version().encode())
    for package in sorted(packages):
        module = import_module(package)
        folder = Path(getattr(module, "__path__", [module.__file__])[0])
        for path in sorted(folder.rglob("*")) or [folder]:  # of a module its file
            inside = path.relative_to(folder)
            # Tools leave caches next to the code, such as `.ruff_cache`.
            is_left = any(part.startswith((".", "__pycache__")) for part in inside.parts)
            if path.is_file() and not is_left:
                name = f"{package}/{inside}"
                digest.update(name.encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's digest in hexadecimal. DVC names files by `md5`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
