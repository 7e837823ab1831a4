"""Survey: all that a command asks DVC about a folder, from one look at it."""

from pathlib import Path
from typing import NamedTuple

from tasks.dvc.graph import Stage, describe_graph, find_stale, opened_repo
from tasks.dvc.lock import LockedStage, locked_stages


class Survey(NamedTuple):
    """A folder's stages.

    Attributes:
        graph: all stages in an order in which they can run.
        stale: the stages that are not up to date, each with its changed inputs.
        lock: each stage that has run.
    """

    graph: dict[str, Stage]
    stale: dict[str, tuple[str, ...]]
    lock: dict[str, LockedStage]


def survey(root: Path = Path()) -> Survey:
    """Look at the stages of a folder.

    Raises:
        InputError: the folder is no DVC repository, or its dvc.yaml is broken.
    """
    with opened_repo(root) as repo:
        return Survey(describe_graph(repo), find_stale(repo), locked_stages(repo))
