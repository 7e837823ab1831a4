"""Read the inputs, parameters and outputs of each stage, with DVC's digests.

DVC computes all digests and remembers them: a file that has not changed is not read again.
"""

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from iterpref_core.records import InputError, flatten

from .graph import name_of, opened_repo


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
        InputError: the folder is not a DVC repository, or its dvc.yaml is broken.
    """
    with opened_repo(root) as repo:
        stages = {name_of(stage): _locked(stage) for stage in repo.index.stages if stage.cmd}
    # A stage that has never run has no digests yet.
    return {name: stage for name, stage in stages.items() if stage.outs}


class StageInputs(NamedTuple):
    """What a stage reads, at one moment.

    Attributes:
        name: DVC's name of the stage.
        locked: the stage in the form of dvc.lock.
        read: parameter → value, and path → digest of each file that it depends on, also of those in a folder.
    """

    name: str
    locked: LockedStage
    read: dict[str, Any]


def observe_stage(name: str, *, outs: bool = False) -> StageInputs:
    """Return what a stage reads at this moment. DVC remembers digests, so a file that has not changed is not read.

    Args:
        name: DVC's name of the stage.
        outs: also read the outputs that DVC is about to lock.

    Raises:
        InputError: dvc.yaml lacks the stage, or an input, a parameter or an output is missing.
    """
    with opened_repo(Path()) as repo:
        stage = repo.stage.load_one(name=name)
        stage.save_deps()
        if outs:
            stage.save_outs()
        locked = _locked(stage)
        read = dict(flatten(locked.params))  # dvc.yaml may name whole sections
        for dep in stage.deps:
            if dep.hash_info.name != "md5":  # the values of parameters
                continue
            if dep.hash_info.isdir:
                # Paths inside of a folder are tuples of names.
                read |= {"/".join((str(dep), *key)): digest.value for key, _, digest in dep.obj}
            else:
                read[str(dep)] = dep.hash_info.value
        return StageInputs(name, locked, read)


def check_unchanged(begun: StageInputs, *, outs: bool = False) -> LockedStage:
    """Return a stage as it is at its end, if it still reads what it began with.

    DVC hashes inputs and parameters after the stage. If a file is edited meanwhile, dvc.lock and DVC's cache of runs
    would name the edited file next to a result that was made without the edit.

    Args:
        begun: the stage at its beginning.
        outs: as for `observe_stage`.

    Raises:
        InputError: a file or a parameter has changed, so the stage must fail before DVC records it.
    """
    try:
        ended = observe_stage(begun.name, outs=outs)
    except InputError as error:  # such as a file that is gone
        changes = [str(error)]
    else:
        read = begun.read | ended.read
        changes = [key for key in read if begun.read.get(key) != ended.read.get(key)]
        if not changes:
            return ended.locked
    raise InputError(
        f"edited while the stage ran: {', '.join(changes)}. The result stays in place and is not recorded: undo the "
        f"edit and run `dvc commit --force {begun.name}` to record it, or run the stage again. Runs with --set have "
        "their own copy of the files"
    )


def _locked(stage: Any) -> LockedStage:
    """Return a stage in the form of dvc.lock, without inputs and outputs that have no digest."""
    from dvc.stage.serialize import to_single_stage_lockfile

    # DVC writes the same dictionary into dvc.lock.
    entry = to_single_stage_lockfile(stage)
    params: dict[str, Any] = {}
    for values in entry.get("params", {}).values():
        params |= values
    deps, outs = ([item for item in entry.get(kind, []) if "md5" in item] for kind in ("deps", "outs"))
    return LockedStage(deps=deps, outs=outs, params=params)
