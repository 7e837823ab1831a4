"""Files: those that a run takes of a checkout, which are git's and the pipeline's."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from iterpref_core.records.errors import InputError
from tasks.dvc.graph import opened_repo
from tasks.git.command import git, git_path
from tasks.paths import LOCK

_DESCRIBING = (LOCK.name, ".gitignore", ".dvcignore")
"""Names of files that list the data, and the files that git and DVC do not look at."""
_SHOWN = 3
"""Names in a line about files that stay behind."""


@contextmanager
def own_index(folder: Path) -> Iterator[dict[str, str]]:
    """Give git a copy of a checkout's index, in which no flag hides a changed file.

    After `git update-index --skip-worktree params.yaml` (or `--assume-unchanged`) git takes the file for unchanged,
    even if it is not.

    Args:
        folder: the checkout.

    Yields:
        Variables for commands of git.
    """
    hidden = []
    for entry in git("ls-files", "-v", "-z", folder=folder).split(b"\0"):
        # `H code.py` is an ordinary file, `h code.py` one that is assumed to be unchanged, `S code.py` one to skip.
        tag, _, name = entry.partition(b" ")
        if tag not in (b"", b"H") and os.path.lexists(folder / os.fsdecode(name)):
            hidden.append(name)
    with TemporaryDirectory(prefix="iterpref-") as place:
        index = Path(place) / "index"
        known = git_path("rev-parse", "--git-path", "index", folder=folder)
        if known.is_file():
            # The copy knows which files have not changed, so git need not read them all.
            shutil.copy2(known, index)
        variables = {"GIT_INDEX_FILE": str(index)}
        if hidden:
            for flag in ("--no-assume-unchanged", "--no-skip-worktree"):
                command = ("update-index", flag, "-z", "--stdin")
                git(*command, folder=folder, variables=variables, stdin=b"\0".join(hidden))
        yield variables


def new_files(folder: Path) -> tuple[list[bytes], list[bytes]]:
    """Return the files that git neither tracks nor ignores: those that the pipeline names, and all others.

    Args:
        folder: the checkout.
    """
    listed = git("ls-files", "--others", "--exclude-standard", "-z", folder=folder).split(b"\0")[:-1]
    named = [name for name in listed if Path(os.fsdecode(name)).name in _DESCRIBING]
    rest = [name for name in listed if name not in named]
    places = _named_places(folder) if rest else set()
    others: list[bytes] = []
    for name in rest:
        path = folder.resolve() / os.fsdecode(name)
        (others if places.isdisjoint((path, *path.parents)) else named).append(name)
    return named, others


def left_behind(names: Sequence[bytes]) -> str:
    """Return a sentence about new files that a run does not take along; empty if there are none."""
    if not names:
        return ""
    shown = ", ".join(os.fsdecode(name) for name in names[:_SHOWN])
    more = ", …" if len(names) > _SHOWN else ""
    return f"new files that are not taken along: {len(names)} ({shown}{more}); `git add FILE` takes one along"


def _named_places(folder: Path) -> set[Path]:
    """Return the files that stages depend on, and those that describe stages and data of DVC."""
    try:
        with opened_repo(folder.resolve()) as repo:
            places = {stage.path for stage in repo.index.stages}
            places.update(dep.fs_path for stage in repo.index.stages for dep in stage.deps)
    except InputError:  # no pipeline is here
        return set()
    return {Path(place) for place in places}
