"""Environment: variables that name files of the checkout, for a run that happens in another folder."""

import os
from pathlib import Path

# A variable whose name ends so holds one path, such as HUMANEVAL_OVERRIDE_PATH.
_ENDINGS = ("_PATH", "_FILE", "_DIR", "_HOME", "_CACHE")


def make_paths_absolute(checkout: Path) -> None:
    """Let relative paths in the environment name the same files whatever the present folder is.

    Args:
        checkout: the folder that they are relative to.
    """
    for name, value in os.environ.items():
        path = checkout / value
        if name.endswith(_ENDINGS) and value and path.exists():
            os.environ[name] = str(path.resolve())
