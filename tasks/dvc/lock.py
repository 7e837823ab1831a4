"""DVC's lock: inputs, parameters and outputs of each stage, with DVC's digests.

DVC computes all digests and remembers them: a file that has not changed is not read again.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.dvc.graph import opened_repo
from tasks.stage_name import StageName


class Artifact(BaseModel, frozen=True):
    """A file or folder in dvc.lock.

    Attributes:
        path: relative to the repository's root.
        md5: DVC's digest; a folder's digest ends in `.dir`.
        size: bytes.
    """

    path: str
    md5: str
    size: int


class LockedStage(BaseModel, frozen=True):
    """The inputs, outputs and parameters of a stage; the parameters by the keys that dvc.yaml names."""

    deps: tuple[Artifact, ...] = ()
    outs: tuple[Artifact, ...] = ()
    params: dict[str, Any] = {}

    def digest_of(self, path: Path) -> str | None:
        """Return the digest of an input, or None if the stage does not read that path."""
        return next((item.md5 for item in self.deps if item.path == path.as_posix()), None)


def read_lock(root: Path = Path()) -> dict[str, LockedStage]:
    """Return dvc.lock: each stage that has run, by DVC's name.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
    with opened_repo(root) as repo:
        return locked_stages(repo)


def observe_inputs(name: StageName) -> tuple[LockedStage, dict[str, LockedStage]]:
    """Return the inputs and parameters that a stage finds at this moment, and the stages before it, from dvc.lock.

    Raises:
        InputError: dvc.yaml has no such stage, or an input is missing.
    """
    with opened_repo(Path()) as repo:
        lock = locked_stages(repo)
        stage = repo.stage.load_one(name=str(name))
        before = {other.addressing for other in repo.stage.collect(str(name), with_deps=True)} - {str(name)}
        stage.save_deps()
        inputs = LockedStage(deps=_artifacts(stage.deps), params=_params(stage))
        return inputs, {name: locked for name, locked in lock.items() if name in before}


def observe_end(name: StageName) -> LockedStage:
    """Return a stage that has run as DVC is about to lock it; DVC then finds the digests already computed.

    Its parameters are those of this moment, also where the stage began with others.

    Raises:
        InputError: dvc.yaml has no such stage, or an output is missing.
    """
    with opened_repo(Path()) as repo:
        stage = repo.stage.load_one(name=str(name))
        stage.save_deps()
        stage.save_outs()
        return LockedStage(deps=_artifacts(stage.deps), outs=_artifacts(stage.outs), params=_params(stage))


def locked_stages(repo: Any) -> dict[str, LockedStage]:
    """Return each stage of an open repository that has run, by DVC's name."""
    locked = {}
    for stage in repo.index.stages:
        outs = _artifacts(stage.outs)
        # A stage that has never run has no digests yet.
        if outs:
            locked[stage.addressing] = LockedStage(deps=_artifacts(stage.deps), outs=outs, params=_params(stage))
    return locked


def _artifacts(entries: Iterable[Any]) -> tuple[Artifact, ...]:
    """Return the files and folders among a stage's inputs or outputs that have a digest."""
    from dvc.dependency.param import ParamsDependency

    found = []
    for entry in entries:
        if isinstance(entry, ParamsDependency) or entry.hash_info is None:
            continue
        md5 = entry.hash_info.value
        if md5 is not None:
            found.append(Artifact(path=entry.def_path, md5=md5, size=entry.meta.size or 0))
    return tuple(found)


def _params(stage: Any) -> dict[str, Any]:
    from dvc.dependency.param import ParamsDependency

    found: dict[str, Any] = {}
    for entry in stage.deps:
        if isinstance(entry, ParamsDependency) and entry.hash_info:
            found.update(entry.hash_info.value or {})
    return found
