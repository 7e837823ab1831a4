"""Make a file or folder once, although several processes need it."""

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from .new_folder import new_path


def make_once(path: Path, make: Callable[[Path], object]) -> Path:
    """Make a file or folder unless it exists. Of several processes, one makes it and the others wait.

    Args:
        path: the file or folder, which appears whole or not at all. Its name holds a digest of everything that decides
            its content.
        make: makes the file or folder at the path that it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        # A process that waited for the lock finds the file of the process that held it.
        if not path.exists():
            with new_path(path) as partial:
                make(partial)
    return path
