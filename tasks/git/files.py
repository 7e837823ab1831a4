"""Select the files that a run copies from a checkout: those git tracks and those the pipeline needs."""

import os
from pathlib import Path

from iterpref_core.records import InputError
from tasks.dvc.graph import opened_repo
from tasks.paths import LOCK

from .command import git

_DESCRIBING = tuple(f":(glob)**/{name}" for name in (LOCK.name, ".gitignore", ".dvcignore"))
"""Files, for git, that list the data, and the files that git and DVC do not look at."""


def check_hidden(folder: Path) -> None:
    """Refuse flags with which git ignores changes of files that are there, such as those of `--skip-worktree`.

    Raises:
        InputError: a file has a flag of these.
    """
    for entry in git("ls-files", "-v", "-z", folder=folder).split(b"\0"):
        # `H code.py` is an ordinary file, `h code.py` is assumed to be unchanged, `S code.py` is skipped.
        tag, _, name = entry.partition(b" ")
        if (tag == b"S" or tag.islower()) and os.path.lexists(folder / os.fsdecode(name)):
            shown = os.fsdecode(name)
            raise InputError(
                f"{shown}: git ignores its changes, so that no record would name them; run `git update-index "
                f"--no-skip-worktree {shown}` and `git update-index --no-assume-unchanged {shown}`"
            )


def new_files(folder: Path) -> tuple[list[bytes], list[bytes]]:
    """Return untracked files in two lists: those the pipeline needs, and all others that git does not ignore.

    A file that a stage reads counts even if git ignores it, as a user's list of ignored files may have `*.jsonl`: a
    stage reads all files except the ones in `.dvcignore`.

    Args:
        folder: the checkout.
    """
    folder = folder.resolve()
    read, made = _places(folder)
    not_made = [f":(exclude,literal){place}" for place in made]
    # Files that describe the data, then files in places that stages read.
    named = set(_untracked(folder, "--exclude-standard", "--", *_DESCRIBING, *not_made))
    if read:
        places = [f":(literal){place}" for place in read]
        named.update(_untracked(folder, "--exclude-per-directory=.dvcignore", "--", *places, *not_made))
    new = _untracked(folder, "--exclude-standard")
    return sorted(named), [name for name in new if name not in named]


def _untracked(folder: Path, *options: str) -> list[bytes]:
    """Return the files that git does not track, and that these options of `git ls-files` leave."""
    return git("ls-files", "--others", "-z", *options, folder=folder).split(b"\0")[:-1]


def _places(folder: Path) -> tuple[set[str], set[str]]:
    """Return the paths that stages read, with the files that describe stages and data, and the paths that DVC makes.

    Args:
        folder: its absolute path.
    """
    try:
        with opened_repo(folder) as repo:
            read = {stage.path for stage in repo.index.stages}
            read.update(dep.fs_path for dep in repo.index.deps)
            made = {out.fs_path for out in repo.index.outs}
    except InputError:  # no pipeline is here
        return set(), set()
    # Paths outside of the checkout are not copied.
    inside = {place for place in read | made if Path(place).is_relative_to(folder)}
    return inside - made, inside & made
