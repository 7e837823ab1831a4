"""Worktrees: a run with other values happens in a git worktree, so that nobody's files change under their feet.

It shares DVC's cache and the answers of models with the folder that it is made of, so that neither computes, nor pays
for, what the other has; and it stays, so that a run that was killed continues.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from contextlib import chdir, contextmanager
from pathlib import Path

from iterpref_core.errors import InputError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.lock import only_one
from tasks.paths import ANSWERS, LOCK, STATE

HOME_VARIABLE = "DVC_ROOT"
"""Names the folder to which a worktree belongs; DVC's own name for that, under `dvc exp run --temp`."""
WORKTREES = STATE / "worktrees"


def home() -> Path:
    """The root of the user's checkout, also for a run that happens in a worktree of it."""
    return Path(os.environ.get(HOME_VARIABLE, "."))


@contextmanager
def entered_worktree(name: str) -> Iterator[Path]:
    """Make a worktree with all that is in the present folder, committed or not, the present one; yields it.

    Args:
        name: of the worktree, which stays for the next run that asks for it.

    Raises:
        InputError: the present folder is no git repository with a commit, or another process is in this worktree.
    """
    origin, folder = Path.cwd(), (WORKTREES / name).resolve()

    def refuse(holder: str) -> None:
        raise InputError(f"process {holder} already works in {folder}; wait for it or end it")

    with only_one(folder.with_suffix(".lock"), refuse):
        _bring_up_to_date(origin, folder)
        before = os.environ.get(HOME_VARIABLE)
        os.environ[HOME_VARIABLE] = str(home().resolve())
        try:
            with chdir(folder):
                _share(origin)
                yield folder
        finally:
            os.environ.pop(HOME_VARIABLE)
            if before is not None:
                os.environ[HOME_VARIABLE] = before


def set_objectives(names: Sequence[str]) -> None:
    """Let the present folder's dvc.yaml train and evaluate these objectives and no others."""
    from dvc.utils.serialize import modify_yaml

    with modify_yaml("dvc.yaml") as content:
        training, evaluation = (content["stages"][stage]["foreach"] for stage in ("training", "evaluation"))
        others = set(training) - set(names)
        for name in others:
            del training[name], evaluation[name]
        for name in names:
            training.setdefault(name, "training.beta")
            evaluation.setdefault(name, f"models/trained/{name}")
        curves = {f"metrics/training/{name}.curve.csv" for name in others}
        for plot in content["plots"]:
            for axes in plot.values():
                for path in curves & set(axes["y"]):
                    del axes["y"][path]


def git(*arguments: str, folder: Path = Path(), text: str | None = None) -> str:
    """What a git command prints.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    done = subprocess.run(["git", *arguments], cwd=folder, input=text, capture_output=True, text=True, check=True)
    return done.stdout


def _bring_up_to_date(origin: Path, folder: Path) -> None:
    """Give the worktree the commit, the changes and the new files of the folder it is made of; what DVC wrote stays."""
    try:
        head = git("rev-parse", "--verify", "HEAD").strip()
    except (OSError, subprocess.CalledProcessError):
        raise InputError(
            f"{origin}: no git repository with a commit, which experiments need; run `git init`, "
            "`git add .` and `git commit`"
        ) from None
    if not (folder / ".git").exists():
        git("worktree", "prune")
        git("worktree", "add", "--detach", str(folder), head)
    git("checkout", "--quiet", "--force", "--detach", head, folder=folder)
    git("clean", "-d", "--force", "--quiet", folder=folder)
    if changes := git("diff", "--binary", "HEAD"):
        git("apply", "--whitespace=nowarn", "-", folder=folder, text=changes)
    for name in git("ls-files", "-z", "--others", "--exclude-standard").split("\0"):
        if name and Path(name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, folder / name)


def _share(origin: Path) -> None:
    """Use the origin's cache and answers, and check out what it has already computed."""
    from dvc.repo import Repo

    with Repo(str(origin)) as repo:
        cache = repo.cache.legacy.path
    settings = origin / ".dvc/config.local"
    # Not by DVC's own writer, which takes ASCII alone; its reader does not mind.
    config = ConfigParser(interpolation=None)
    config.read(settings, encoding="utf-8")
    config.read_dict({"cache": {"dir": f'"{cache}"'}})
    with atomic_writer(Path(".dvc/config.local")) as file:
        config.write(file)
    STATE.mkdir(exist_ok=True)
    if not ANSWERS.is_symlink():
        ANSWERS.symlink_to(origin / ANSWERS)
    if LOCK.is_file():
        with Repo(".") as repo:
            repo.checkout(force=True, allow_missing=True)
