"""DVC's lock: inputs, parameters and outputs of each stage, with DVC's digests.

DVC computes all digests and remembers them: a file that has not changed is not read again.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.dvc.graph import name_of, opened_repo
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


def read_lock(root: Path = Path()) -> dict[str, LockedStage]:
    """Return dvc.lock: each stage that has run, by DVC's name.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
    locked = {}
    with opened_repo(root) as repo:
        for stage in repo.index.stages:
            outs = _artifacts(stage.outs)
            # A stage that has never run has no digests yet.
            if outs:
                locked[name_of(stage)] = LockedStage(deps=_artifacts(stage.deps), outs=outs, params=_params(stage))
    return locked


def observe_stage(name: StageName, *, outs: bool) -> LockedStage:
    """Return a stage as it is at this moment; DVC then finds the digests already computed.

    Args:
        name: its name.
        outs: whether its outputs are there, too, as DVC is about to lock them.

    Raises:
        InputError: dvc.yaml has no such stage, or an input or output is missing.
    """
    with opened_repo(Path()) as repo:
        stage = repo.stage.load_one(name=str(name))
        stage.save_deps()
        if outs:
            stage.save_outs()
        return LockedStage(deps=_artifacts(stage.deps), outs=_artifacts(stage.outs), params=_params(stage))


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
