"""DVC experiments of a workspace that are made in a copy of it.

What DVC calls an experiment is a commit with a `dvc.lock`, child of the present one, under a name below `refs/exps`.
Stages have run in a copy of the workspace, which becomes a clone that shares the workspace's objects: there git commits
what they have written, and the workspace fetches that one ref. `dvc exp run` and `dvc exp save` would stash what the
user has changed and check other files out, which a `kill -9` in between leaves so.
"""

import shutil
import subprocess
from pathlib import Path

from iterpref_core.errors import InputError
from tasks.common.paths import LOCK
from tasks.orchestration.reproduce import StageError

_IDENTITY = {"user.name": "iterpref", "user.email": "iterpref@localhost"}
"""Who makes a commit where the workspace's git does not say it."""


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
        _clone(workspace)

    def find(self, name: str) -> str | None:
        """The commit of the experiment of this name, if it was made from the files that are here; else None."""
        try:
            commit = _git("rev-parse", "--verify", "--quiet", self._ref(name), folder=self._workspace)
            _git("add", "--all")
            _git("diff", "--cached", "--quiet", commit, "--", ".", f":!{LOCK}")
        except subprocess.CalledProcessError:
            return None
        return commit

    def save(self, name: str, message: str) -> None:
        """Make what stages have written here an experiment of the workspace.

        Args:
            name: of the experiment; one that has the name already is replaced.
            message: of its commit.

        Raises:
            StageError: the workspace's repository does not take it.
        """
        _git("add", "--all")
        _git("add", "--force", str(LOCK))  # also where a project's git ignores it
        _git("commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message", message)
        where = "--no-tags", "--no-write-fetch-head", str(Path.cwd()), f"+HEAD:{self._ref(name)}"
        try:
            _git("fetch", "--quiet", *where, folder=self._workspace)
        except subprocess.CalledProcessError as error:
            raise StageError(f"experiment {name} could not be saved: {error.stderr.strip()}") from None
        finally:
            _git("reset", "--quiet", "--soft", self._head)

    def _ref(self, name: str) -> str:
        from dvc.repo.experiments.refs import ExpRefInfo

        return str(ExpRefInfo(self._head, name))


def _clone(workspace: Path) -> None:
    """Make the present folder a repository at the workspace's commit; nothing of a killed run's is left in it."""
    shutil.rmtree(".git", ignore_errors=True)
    _git("clone", "--quiet", "--bare", "--shared", str(workspace), ".git")
    _git("config", "core.bare", "false")
    for key, otherwise in _IDENTITY.items():
        _git("config", key, _git("config", "--default", otherwise, "--get", key, folder=workspace))
    _git("reset", "--quiet")


def _git(*arguments: str, folder: Path = Path()) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
