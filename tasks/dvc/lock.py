"""DVC's lock: inputs, parameters and outputs of each stage, with DVC's digests.

DVC computes all digests and remembers them: a file that has not changed is not read again.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.dvc.graph import name_of, opened_repo


class Artifact(BaseModel, frozen=True):
    """A file or folder in dvc.lock.

    Attributes:
        path: relative to the repository's root.
        md5: DVC's digest; a folder's digest ends in `.dir`.
        size: bytes.
    """

    path: str
    md5: str
    size: int = 0


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
    with opened_repo(root) as repo:
        stages = {name_of(stage): _locked(stage) for stage in repo.index.stages if stage.cmd}
    # A stage that has never run has no digests yet.
    return {name: stage for name, stage in stages.items() if stage.outs}


def observe_stage(name: str, *, outs: bool) -> LockedStage:
    """Return a stage as it is at this moment; DVC then finds the digests already computed.

    Args:
        name: DVC's name of the stage.
        outs: whether its outputs are there, too, as DVC is about to lock them.

    Raises:
        InputError: dvc.yaml has no such stage, or an input or output is missing.
    """
    with opened_repo(Path()) as repo:
        stage = repo.stage.load_one(name=name)
        stage.save_deps()
        if outs:
            stage.save_outs()
        return _locked(stage)


def _locked(stage: Any) -> LockedStage:
    """Return a stage in the form of dvc.lock, without inputs and outputs that have no digest."""
    from dvc.stage.serialize import to_single_stage_lockfile

    entry = to_single_stage_lockfile(stage)
    params: dict[str, Any] = {}
    for values in entry.get("params", {}).values():
        params |= values
    deps, outs = ([item for item in entry.get(kind, []) if "md5" in item] for kind in ("deps", "outs"))
    return LockedStage(deps=deps, outs=outs, params=params)
