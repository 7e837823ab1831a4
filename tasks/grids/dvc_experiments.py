"""DVC experiments of a workspace that are made in a copy of it.

`dvc exp run` stashes what the user has changed and checks other files out, which a `kill -9` in between leaves so. Here
stages have run in a copy of the workspace. It gets a repository of its own, at the workspace's commit and with the
workspace's objects. What DVC calls an experiment is a commit with a `dvc.lock`, child of the present one, under a name
below `refs/exps`: it is made there and fetched, so that the workspace gets a ref and nothing else.
"""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import yaml

from iterpref_core.errors import InputError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.common.paths import LOCK
from tasks.orchestration.reproduce import StageError

_IDENTITY = {"user.name": "iterpref", "user.email": "iterpref@localhost"}
"""Who makes a commit where the workspace's git does not say it."""
_MADE = "refs/made"
"""The experiment that was made last, in the copy's repository."""


class Experiments:
    """The experiments of a workspace that are made in the present folder, a copy of it.

    Args:
        workspace: its root.

    Raises:
        InputError: the workspace has no commit, beside which DVC keeps experiments.
    """

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        try:
            self._head = _git("rev-parse", "--verify", "--quiet", "HEAD", folder=workspace)
        except subprocess.CalledProcessError:
            raise InputError(
                f"{workspace}: no commit yet, and DVC keeps experiments beside one; run `git add --all && git commit`"
            ) from None
        _open_repository(workspace, self._head)

    def inputs(self) -> str:
        """The hash, git's, of all files here that git does not ignore, without DVC's lock: what decides a result."""
        _git("read-tree", "HEAD")
        _git("add", "--all", "--", ".", f":!{LOCK}")
        return _git("write-tree")

    def commit(self, name: str) -> str | None:
        """The commit of the workspace's experiment of this name; None if there is none beside its present commit."""
        try:
            return _git("rev-parse", "--verify", "--quiet", self._ref(name), folder=self._workspace)
        except subprocess.CalledProcessError:
            return None

    def save(self, name: str, stages: Iterable[str], message: str) -> str:
        """Make what the stages have written here an experiment of the workspace; returns its commit.

        Args:
            name: of the experiment; one that has the name already is replaced.
            stages: all that belong to it.
            message: of its commit.

        Raises:
            StageError: the workspace's repository does not take it.
        """
        _keep_stages(set(stages), self._workspace)
        _git("read-tree", "HEAD")
        _git("add", "--all")
        _git("add", "--force", str(LOCK))  # also where a project's git ignores it
        commit = _git("commit-tree", _git("write-tree"), "-p", self._head, "-m", message)
        _git("update-ref", _MADE, commit)
        where = "--no-tags", "--no-write-fetch-head", str(Path.cwd()), f"+{_MADE}:{self._ref(name)}"
        try:
            _git("fetch", "--quiet", *where, folder=self._workspace)
        except subprocess.CalledProcessError as error:
            raise StageError(f"experiment {name} could not be saved: {error.stderr.strip()}") from None
        return commit

    def _ref(self, name: str) -> str:
        from dvc.repo.experiments.refs import ExpRefInfo

        return str(ExpRefInfo(self._head, name))


def _open_repository(workspace: Path, head: str) -> None:
    """Make the present folder a repository at a commit of the workspace; nothing of a killed run's is left in it."""
    shutil.rmtree(".git", ignore_errors=True)
    _git("init", "--quiet")
    objects = Path(_git("rev-parse", "--git-path", "objects", folder=workspace))
    Path(".git/objects/info/alternates").write_text(f"{workspace / objects}\n", encoding="utf-8")
    for key, otherwise in _IDENTITY.items():
        _git("config", key, _git("config", "--default", otherwise, "--get", key, folder=workspace))
    _git("update-ref", "HEAD", head)
    _git("read-tree", "HEAD")


def _keep_stages(names: set[str], workspace: Path) -> None:
    """Let DVC's lock say of other stages what the workspace's says: here an earlier experiment may have run them.

    They have to be in it: `dvc exp apply` removes the outputs of stages that are not, and fails.
    """
    content = yaml.safe_load(LOCK.read_text(encoding="utf-8"))
    known = workspace / LOCK
    others = yaml.safe_load(known.read_text(encoding="utf-8"))["stages"] if known.is_file() else {}
    own = {name: stage for name, stage in content["stages"].items() if name in names}
    content["stages"] = own | {name: stage for name, stage in others.items() if name not in names}
    with atomic_writer(LOCK) as file:
        yaml.safe_dump(content, file, sort_keys=False)


def _git(*arguments: str, folder: Path = Path()) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
