"""Git without a person's settings."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from iterpref_core.records import InputError

_SETTINGS = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",  # may name a program
    "core.autocrlf=false",  # files keep their bytes
    "core.safecrlf=false",
    "color.ui=false",
    "core.quotePath=false",
    "status.relativePaths=false",
    "submodule.recurse=false",
    "gc.auto=0",
)
"""Settings of this one command, which override the user's, the repository's and the environment's."""


class GitError(InputError):
    """An error of git, in git's own words."""


def git(*arguments: str, folder: Path = Path(), variables: Mapping[str, str] = {}, stdin: bytes = b"") -> bytes:
    """Run a git command and return its output: bytes, because a file's name need not be UTF-8.

    Args:
        arguments: the command and its arguments.
        folder: where the command runs.
        variables: added to the environment, such as `GIT_INDEX_FILE`.
        stdin: read by the command.

    Raises:
        GitError: the command failed, or git is not installed.
    """
    command = ["git", "--no-optional-locks"]
    for setting in _SETTINGS:
        command += ["-c", setting]
    try:
        done = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env={**os.environ, **variables},
            input=stdin,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise GitError("git: is not installed; install it, since experiments with other values need it") from None
    if done.returncode:
        words = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise GitError(f"{folder.resolve()}: git {arguments[0]}: {words}")
    return done.stdout


def check_identity() -> None:
    """Refuse to go on where git does not know the user, for DVC cannot save an experiment there.

    Raises:
        InputError: name or address is not set.
    """
    try:
        for name in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
            git("-c", "user.useConfigOnly=true", "var", name)
    except GitError:
        raise InputError(
            "git does not know who you are, and an experiment is a commit; run `git config --global user.name NAME` "
            "and `git config --global user.email ADDRESS`"
        ) from None
