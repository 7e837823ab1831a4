"""Working-tree copy: the files, without what runs made of them."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from iterpref_core.errors import InputError
from tasks.common.paths import LOCK


def list_files(origin: Path) -> list[str]:
    """Names of tracked and new files, sorted; without results and caches, which git ignores, and DVC's lock.

    Raises:
        InputError: `origin` is no git repository.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=origin, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        raise InputError(
            f"{origin.absolute()}: not a git repository, so it cannot be copied; run from the root of one"
        ) from None
    return sorted({name for name in listed.split("\0") if name and name != str(LOCK) and (origin / name).is_file()})


def copy_files(origin: Path, names: Iterable[str], copy: Path) -> None:
    """Copy files as they stand into a repository, made where there is none: DVC asks for one."""
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(origin / name, copy / name)
    if not (copy / ".git").exists():
        subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
