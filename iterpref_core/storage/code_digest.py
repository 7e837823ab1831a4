"""Code digest: what is kept under the digest of the code that made it is never taken for another version's."""

import hashlib
import platform
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def code_digest(*packages: str) -> str:
    """A hash of all files of packages and of Python's version, read once: a process goes on with what it has loaded.

    Args:
        packages: dotted names, such as `iterpref_core.training`.
    """
    digest = hashlib.sha256(platform.python_version().encode())
    for package in sorted(packages):
        spec = find_spec(package)
        assert spec, f"there is no {package}"
        assert spec.submodule_search_locations, f"{package} is no package"
        folder = Path(spec.submodule_search_locations[0])
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{package}/{path.relative_to(folder)}".encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
