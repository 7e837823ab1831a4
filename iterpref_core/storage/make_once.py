"""Make once: a file or folder that appears whole, made by one of the processes that want it."""

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def make_once(path: Path, make: Callable[[Path], object]) -> Path:
    """Make a file or folder unless it is there; of several processes that want it, one makes it and the others wait.

    Args:
        path: where it belongs; it appears there whole or not at all. Its name is a digest of what decides it.
        make: makes it at the path it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not path.exists():
            partial = path.with_name(f".{path.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            make(partial)
            partial.replace(path)
    return path
