"""Handle files that were added to DVC, and that no stage produces: by `dvc add`, `dvc import` and frozen stages.

Git does not store these files, so a second working tree can only get them from DVC's cache.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from iterpref_core.records import InputError

from .graph import describe_graph, name_of, opened_repo


def check_added_files(root: Path) -> None:
    """Refuse added files that differ from DVC's copies: a second working tree would get the older ones.

    Raises:
        InputError: a file was changed after DVC took it, or is not in DVC's cache.
    """
    with opened_repo(root) as repo:
        for stage in _stages_of_added_files(repo):
            for out in stage.outs:
                state = out.status().get(str(out))
                if state in ("not in cache", "modified"):
                    raise InputError(
                        f"{out}: {state}, so that a second working tree would not get this file; run "
                        f"`dvc commit {stage.addressing}`, or `dvc pull {stage.addressing}`"
                    )


def check_out(root: Path, targets: Sequence[str] | None) -> None:
    """Bring files from DVC's cache into a working tree: the added ones, which the cache was seen to have, and results.

    Args:
        root: the working tree.
        targets: the wanted stages, as for `describe_graph`. Also bring the results of these stages and of all stages
            before them, as far as dvc.lock and the cache have them; None: bring no results.

    Raises:
        InputError: dvc.yaml lacks a stage of `targets`.
    """
    # DVC warns about each output of a stage that has not run, which most have not in a new worktree.
    logging.getLogger("dvc_data.index.checkout").setLevel(logging.ERROR)
    from .corrections import remove_damaged

    with opened_repo(root) as repo:
        wanted = list(_stages_of_added_files(repo))
        if targets is not None:
            needed = describe_graph(repo, targets)
            wanted += [stage for stage in repo.index.stages if name_of(stage) in needed]
        if wanted:
            remove_damaged(wanted)
            # DVC's address has the path of dvc.yaml, which is not the present folder's.
            addresses = [stage.addressing for stage in wanted]
            repo.checkout(targets=addresses, force=True, allow_missing=targets is not None)


def _stages_of_added_files(repo: Any) -> Iterator[Any]:
    """Yield stages without a command, and frozen stages that have run."""
    for stage in repo.index.stages:
        if stage.cmd is None or (stage.frozen and all(out.hash_info for out in stage.outs)):
            yield stage
