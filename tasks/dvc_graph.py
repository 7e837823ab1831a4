"""DVC's graph of the stages, and what dvc.lock says of their artifacts: nothing is hashed here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from iterpref_core.errors import InputError
from tasks.paths import LOCK


class Stage(NamedTuple):
    """A stage as DVC resolves it.

    Attributes:
        name: such as `training@dpo`.
        upstream: names of the stages whose outputs it reads.
        accelerated: whether it uses an accelerator where there is one, as `meta` in dvc.yaml says.
    """

    name: str
    upstream: tuple[str, ...]
    accelerated: bool = False


class Artifact(NamedTuple):
    """A file or folder as dvc.lock has it: DVC's digest (of a folder it ends in `.dir`), and its size in bytes."""

    path: str
    md5: str
    size: int


class LockedStage(NamedTuple):
    """What dvc.lock says of a stage's last run: what it read, what it wrote, and its parameters by dotted key."""

    deps: tuple[Artifact, ...]
    outs: tuple[Artifact, ...]
    params: dict[str, Any]


def load_graph(root: Path = Path()) -> dict[str, Stage]:
    """All stages in an order in which they can run.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
    with _opened(root) as repo:
        graph = repo.index.graph
        stages = {stage.addressing: _describe(stage, graph) for stage in graph}
    order = TopologicalSorter({name: stage.upstream for name, stage in stages.items()}).static_order()
    return {name: stages[name] for name in order}


def stale_stages(root: Path = Path()) -> set[str]:
    """Names of the stages that are not up to date, from one pass over all; those behind them may change yet.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
    with _opened(root) as repo:
        return set(repo.status())


def read_lock(root: Path = Path()) -> dict[str, LockedStage]:
    """What dvc.lock says of each stage that has run; empty where none has."""
    try:
        content = yaml.safe_load((root / LOCK).read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    return {
        name: LockedStage(
            _artifacts(stage.get("deps", ())),
            _artifacts(stage.get("outs", ())),
            {key: value for params in stage.get("params", {}).values() for key, value in params.items()},
        )
        for name, stage in content.get("stages", {}).items()
    }


def select_stages(graph: Mapping[str, Stage], targets: tuple[str, ...]) -> dict[str, Stage]:
    """The stages that the targets need, themselves included; all where no target is given.

    A target without `@` stands for all stages of that name: `training` for `training@sft`, `training@dpo`, …

    Raises:
        InputError: there is no such stage.
    """
    named = {target: [name for name in graph if target in (name, name.partition("@")[0])] for target in targets}
    for target, names in named.items():
        if not names:
            raise InputError(f"no stage {target!r} in dvc.yaml; there are {', '.join(graph)}")
    wanted = [name for names in named.values() for name in names] or list(graph)
    needed: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed.add(name)
            wanted.extend(graph[name].upstream)
    return {name: stage for name, stage in graph.items() if name in needed}


def downstream_depth(graph: Mapping[str, Stage]) -> dict[str, int]:
    """Length of the longest chain of stages behind each one: where two can run, the longer chain goes first."""
    depth = dict.fromkeys(graph, 0)
    for name in reversed(list(graph)):
        for upstream in graph[name].upstream:
            if upstream in depth:
                depth[upstream] = max(depth[upstream], depth[name] + 1)
    return depth


@contextmanager
def _opened(root: Path) -> Iterator[Any]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root), _wait_for_lock=True) as repo:
            yield repo
    except DvcException as error:
        raise InputError(f"dvc.yaml: {error}; run from the repository's root, in which `dvc init` has run") from None


def _describe(stage: Any, graph: Any) -> Stage:
    return Stage(
        name=stage.addressing,
        upstream=tuple(sorted(successor.addressing for successor in graph.successors(stage))),
        accelerated=bool((stage.meta or {}).get("accelerator")),
    )


def _artifacts(entries: Any) -> tuple[Artifact, ...]:
    return tuple(Artifact(entry["path"], entry["md5"], entry.get("size", 0)) for entry in entries if "md5" in entry)
