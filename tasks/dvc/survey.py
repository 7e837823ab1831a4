"""Survey: all that a command asks DVC about a folder, from one look at it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.dvc.graph import Stage, describe_graph, find_stale, opened_repo
from tasks.dvc.lock import LockedStage, locked_stages


class Survey(NamedTuple):
    """A folder's stages.

    Attributes:
        graph: the stages that were asked for, in an order in which they can run.
        stale: all stages that are not up to date, each with its changed inputs.
        lock: each stage that has run.
    """

    graph: dict[str, Stage]
    stale: dict[str, tuple[str, ...]]
    lock: dict[str, LockedStage]


def survey(targets: Sequence[str] = ()) -> Survey:
    """Look at the stages of the present folder.

    Args:
        targets: the stages that are wanted, as for `describe_graph`.

    Raises:
        InputError: the folder is no DVC repository, its dvc.yaml is broken, or there is no such stage.
    """
    with opened_repo(Path()) as repo:
        lock = locked_stages(repo)
        return Survey(describe_graph(repo, targets), find_stale(repo, lock), lock)
