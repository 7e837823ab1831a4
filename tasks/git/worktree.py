"""Make a git worktree for a run with other values, so that the user's files do not change.

A worktree holds the checkout's files as they were when the run began: what git tracks, with all edits, and the new
files that the pipeline names. It shares DVC's cache and the answers of models with the checkout, so that neither
computes, nor pays for, a result of the other. The worktree of a killed run stays, so that the next one continues there.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from filelock import FileLock

from iterpref_core.records import InputError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.dvc.added_files import check_added_files, check_out
from tasks.lock import only_one
from tasks.paths import ANSWERS, HOME_VARIABLE, STATE, WORKTREES, home

from .command import GitError, git
from .files import new_files
from .source import Source, observe_source

_SUBMODULE = b"160000"
"""The mode of a repository inside of another one, as git lists it."""
_FINISHED = ".finished"
"""A file in the worktree of a run that has ended well, until git removes it at the beginning of the next one there."""
_KEPT = 5


class Snapshot(NamedTuple):
    """A checkout's files at one moment, as git objects, without later edits.

    Attributes:
        origin: the checkout; in a repository of several projects a folder of it.
        prefix: path of the checkout inside the repository.
        head: the commit that is checked out.
        tree: that commit's files with the changes of tracked files, and the new files that the pipeline names.
        source: that commit and these changes, for records.
    """

    origin: Path
    prefix: str
    head: str
    tree: str
    source: Source


def take_snapshot(say: Callable[[str], object]) -> Snapshot:
    """Record the files of the present folder, a checkout; neither they nor git's index of them change.

    Args:
        say: prints a line about new files that are not copied.

    Raises:
        GitError: git refuses to work there.
        InputError: the checkout has no commit, has a submodule (git would not record its files), or has a file of
            `dvc add` whose present content DVC lacks; or it is not a repository of git and DVC.
    """
    origin = Path.cwd()
    # Git does not store these files, so the worktree gets DVC's copies of them.
    check_added_files(origin)
    source = observe_source()
    try:
        prefix, head, _ = os.fsdecode(git("rev-parse", "--show-prefix", "HEAD", folder=origin)).rsplit("\n", 2)
    except GitError as error:
        raise InputError(f"{error}; if there is no commit yet, run `git add .` and `git commit`") from None
    named, others = new_files(origin)
    # Write the files as they are now into git's object store, by a copy of the index: the user's own stays as it is.
    # The copy knows which files have not changed, so git need not read them all.
    with TemporaryDirectory(prefix="iterpref-") as place:
        index = shutil.copy2(_git_path("rev-parse", "--git-path", "index", folder=origin), place)
        variables = {"GIT_INDEX_FILE": index, "GIT_LITERAL_PATHSPECS": "1"}
        git("add", "--update", ".", folder=origin, variables=variables)
        adding = ("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul")
        if named:
            git(*adding, folder=origin, variables=variables, stdin=b"\0".join(named))
        tree = git("write-tree", folder=origin, variables=variables).decode().strip()
    # A submodule is an entry of mode 160000 without content.
    for entry in git("ls-tree", "-r", "-z", tree, folder=origin).split(b"\0"):
        description, _, name = entry.partition(b"\t")
        if description.startswith(_SUBMODULE):
            raise InputError(
                f"{origin / os.fsdecode(name)}: a git repository of its own, whose files a worktree would lack; "
                "move it out of the checkout, or let .gitignore name it"
            )
    if others:
        shown = os.fsdecode(others[0])
        say(f"new files that are not taken along: {len(others)} (such as {shown}); `git add FILE` takes one along")
    return Snapshot(origin, prefix, head, tree, source)


@contextmanager
def worktree_of(
    snapshot: Snapshot, name: str, say: Callable[[str], object], targets: Sequence[str] = (), *, remove: bool = False
) -> Iterator[Path]:
    """Make a worktree with a snapshot's files; no other process can enter it until the `with` block ends.

    The commit checked out there is the user's own, so that experiments belong to it. The snapshot is git's index.

    Args:
        snapshot: the files that the worktree gets; results of DVC that are there stay.
        name: of the worktree, which stays for the next run that asks for it.
        say: prints a line, such as the process that this one waits for.
        targets: the stages that are wanted; the worktree gets no results that they do not need.
        remove: remove the worktree after a block that ends well, whose results are kept elsewhere. It begins without
            earlier results then.

    Yields:
        The checkout inside the worktree.
    """
    top = (snapshot.origin / WORKTREES / name).resolve()

    with only_one(top.parent / f"{name}.lock", f"works in {top}", say):
        _bring_up_to_date(snapshot, top)
        folder = top / snapshot.prefix
        _share(snapshot.origin, folder)
        _remove_old(snapshot.origin, say)
        check_out(folder, None if remove else targets)
        os.environ[HOME_VARIABLE] = str(home().resolve())  # counts in worktrees alone, so it may stay
        yield folder
        if remove:
            _remove(snapshot.origin, top)
        else:
            (top / _FINISHED).touch()


def _remove_old(origin: Path, say: Callable[[str], object]) -> None:
    """Remove the worktrees of earlier runs that ended well, whose results DVC's cache has, but for the latest."""
    marks = sorted((origin / WORKTREES).glob(f"*/{_FINISHED}"), key=lambda mark: mark.stat().st_mtime)
    for top in (mark.parent for mark in marks[:-_KEPT]):
        with suppress(InputError), only_one(top.with_suffix(".lock"), "works there"):
            _remove(origin, top)
            say(f"removed {top.relative_to(origin)} of an earlier run; `dvc exp show` lists the results")


def _remove(origin: Path, top: Path) -> None:
    with list_of_worktrees(origin):
        git("worktree", "remove", "--force", str(top), folder=origin)


def list_of_worktrees(origin: Path) -> FileLock:
    """Return the lock that protects git's list of worktrees.

    git removes the folder of the list, `.git/worktrees`, with its last entry. If another process adds an entry at that
    moment, git fails with "could not create directory of '.git/worktrees/…'".
    """
    folder = origin / WORKTREES
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / ".list.lock")


def _bring_up_to_date(snapshot: Snapshot, top: Path) -> None:
    """Give a worktree the commit and the files of a snapshot; files that git ignores there stay."""
    link = top / ".git"
    entries = _git_path("rev-parse", "--git-common-dir", folder=snapshot.origin).resolve() / "worktrees"
    # `gitdir: /checkout/.git/worktrees/a1b2`. In a copy of the checkout, or after a move, the path is not of this one.
    entry = Path(link.read_text(encoding="utf-8").removeprefix("gitdir: ").strip()) if link.is_file() else Path()
    if entry.parent == entries and entry.is_dir():
        (entry / "index.lock").unlink(missing_ok=True)  # of a killed run
        git("update-ref", "--no-deref", "HEAD", snapshot.head, folder=top)
    else:
        with list_of_worktrees(snapshot.origin):
            shutil.rmtree(top, ignore_errors=True)
            git("worktree", "prune", folder=snapshot.origin)
            git("worktree", "add", "--detach", "--no-checkout", str(top), snapshot.head, folder=snapshot.origin)
    # Give files and index the snapshot's content. HEAD stays the user's commit, because experiments belong to it.
    git("read-tree", "--reset", "-u", snapshot.tree, folder=top)
    git("clean", "-d", "--force", "--quiet", f"--exclude={STATE}", folder=top)


def _git_path(*arguments: str, folder: Path) -> Path:
    """Return the path that a git command printed, relative to `folder` or absolute."""
    return folder / os.fsdecode(git(*arguments, folder=folder).removesuffix(b"\n"))


def _share(origin: Path, folder: Path) -> None:
    """Let a worktree use the origin's cache and answers."""
    from dvc.repo import Repo

    with Repo(str(origin)) as repo:
        cache = repo.cache.legacy.path
    # DVC's own writer takes only ASCII; its reader takes any path.
    config = ConfigParser(interpolation=None)
    config.read(origin / ".dvc/config.local", encoding="utf-8")
    # A process of DVC looks for updates in the background. It writes the answer into .dvc/tmp, also while the worktree
    # is being removed: git then fails with "Directory not empty".
    config.read_dict({"cache": {"dir": f'"{cache}"'}, "core": {"check_update": "false"}})
    with atomic_writer(folder / ".dvc/config.local") as file:
        config.write(file)
    (folder / STATE).mkdir(exist_ok=True)
    # Answers that one run has paid for are shared with all others.
    answers = folder / ANSWERS
    if not answers.is_symlink():
        answers.symlink_to(origin / ANSWERS)
