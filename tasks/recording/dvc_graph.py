"""DVC graph of the stages: there is no second one. And DVC's digest of an artifact, computed from its files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from iterpref_core.errors import InputError


def dvc_md5(path: Path) -> str:
    """The md5 that DVC writes to dvc.lock: of a file's bytes, or of a folder's sorted listing, ending in `.dir`.

    Raises:
        FileNotFoundError: there is no such file or folder.
    """
    if not path.is_dir():
        return _file_md5(path)
    files = sorted(item.relative_to(path) for item in path.rglob("*") if item.is_file())
    listing = [{"md5": _file_md5(path / item), "relpath": item.as_posix()} for item in files]
    listing.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _file_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@dataclass(frozen=True)
class Stage:
    """A stage as DVC resolves it.

    Attributes:
        name: such as `training@dpo`.
        upstream: names of the stages whose outputs it reads.
        inputs: artifacts it reads (outputs of other stages; code is not among them).
        outputs: artifacts it writes, without metrics.
        params: keys of params.yaml it depends on; a prefix stands for all below it, the empty one for everything.
    """

    name: str
    upstream: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: tuple[str, ...]


def load_graph(root: Path = Path()) -> dict[str, Stage]:
    """All stages in an order in which they can run.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            graph = repo.index.graph
            written = {out.def_path for stage in graph for out in stage.outs if not (out.metric or out.plot)}
            stages = {stage.addressing: _describe(stage, graph, written) for stage in graph}
    except DvcException as error:
        raise InputError(f"dvc.yaml: {error}; run from the repository's root, in which `dvc init` has run") from None
    order = TopologicalSorter({name: stage.upstream for name, stage in stages.items()}).static_order()
    return {name: stages[name] for name in order}


def stale_stages(root: Path = Path()) -> set[str]:
    """Names of the stages that are not up to date, from one pass over all; those behind them may change yet.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root), _wait_for_lock=True) as repo:
            return set(repo.status())
    except DvcException as error:
        raise InputError(f"dvc.yaml: {error}; run from the repository's root, in which `dvc init` has run") from None


def _describe(stage: Any, graph: Any, written: set[str]) -> Stage:
    return Stage(
        name=stage.addressing,
        upstream=tuple(sorted(other.addressing for other in graph.successors(stage))),
        inputs=tuple(path for dep in stage.deps for path in sorted(written) if Path(path).is_relative_to(dep.def_path)),
        outputs=tuple(out.def_path for out in stage.outs if not (out.metric or out.plot)),
        params=tuple(key for dep in stage.deps for key in getattr(dep, "params", None) or _whole_file(dep)),
    )


def _whole_file(dep: Any) -> tuple[str, ...]:
    """A dependency on params.yaml that names no key is one on all of them."""
    return ("",) if getattr(dep, "params", None) == [] else ()


def select_stages(graph: Mapping[str, Stage], targets: tuple[str, ...]) -> dict[str, Stage]:
    """The stages that the targets need, themselves included; all where no target is given.

    A target without `@` stands for all stages of that name: `training` for `training@sft`, `training@dpo`, …

    Raises:
        InputError: there is no such stage.
    """
    wanted = [name for target in targets for name in _expand(graph, target)] or list(graph)
    needed: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed.add(name)
            wanted.extend(graph[name].upstream)
    return {name: stage for name, stage in graph.items() if name in needed}


def name_stages(graph: Mapping[str, Stage], targets: tuple[str, ...]) -> set[str]:
    """The stages that the targets name, without what these need; all where no target is given.

    Raises:
        InputError: there is no such stage.
    """
    return {name for target in targets for name in _expand(graph, target)} or set(graph)


def _expand(graph: Mapping[str, Stage], target: str) -> list[str]:
    found = [name for name in graph if target in (name, name.partition("@")[0])]
    if not found:
        raise InputError(f"no stage {target!r} in dvc.yaml; there are {', '.join(graph)}")
    return found


def downstream_depth(graph: Mapping[str, Stage]) -> dict[str, int]:
    """Length of the longest chain of stages behind each one: where two can run, the longer chain goes first."""
    depth = dict.fromkeys(graph, 0)
    for name in reversed(list(graph)):
        for upstream in graph[name].upstream:
            if upstream in depth:
                depth[upstream] = max(depth[upstream], depth[name] + 1)
    return depth
