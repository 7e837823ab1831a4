"""DVC's graph of the stages: what there is, in which order it can run, and what is not up to date."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.errors import InputError
from tasks.stage_name import StageName


class Stage(NamedTuple):
    """A stage as DVC resolves it.

    Attributes:
        name: DVC's name of the stage, such as `training@dpo`.
        upstream: names of the stages whose outputs it reads.
        accelerated: whether it uses an accelerator where there is one, as `meta` in dvc.yaml says.
    """

    name: str
    upstream: tuple[str, ...]
    accelerated: bool = False

    @property
    def group(self) -> str:
        """The stage's name in dvc.yaml, such as `training`."""
        return StageName.parse(self.name).group


def load_graph(root: Path = Path()) -> dict[str, Stage]:
    """All stages in an order in which they can run.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
    with opened_repo(root) as repo:
        graph = repo.index.graph
        stages = {stage.addressing: _describe(stage, graph) for stage in graph}
    order = TopologicalSorter({name: stage.upstream for name, stage in stages.items()}).static_order()
    return {name: stages[name] for name in order}


def stale_stages(root: Path = Path()) -> set[str]:
    """Names of the stages that are not up to date, from one pass over all; those behind them may change yet.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
    with opened_repo(root) as repo:
        return set(repo.status())


def select_stages(graph: Mapping[str, Stage], targets: tuple[str, ...]) -> dict[str, Stage]:
    """The stages that the targets need, themselves included; all where no target is given.

    A target without `@` stands for all stages of that name: `training` for `training@sft`, `training@dpo`, …

    Raises:
        InputError: there is no such stage.
    """
    named = {target: [name for name, stage in graph.items() if target in (name, stage.group)] for target in targets}
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
def opened_repo(root: Path) -> Iterator[Any]:
    """Open DVC's view of a repository.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
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
