"""Fetch the results of earlier runs, from this machine or another, from DVC's remote storage."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iterpref_core.records import InputError

from .commands import StageError
from .graph import opened_repo


def pull_outputs(stages: Sequence[str]) -> None:
    """Fetch the outputs of stages as dvc.lock has them, and the results of runs with other parameters.

    Outputs that the remote does not have are left out: their stages run.

    Args:
        stages: DVC's names of the stages.

    Raises:
        InputError: DVC has no remote.
        StageError: the remote could not be read.
    """
    with opened_repo(Path()) as repo:
        # DVC itself would go on without a word.
        if not repo.config["core"].get("remote"):
            raise InputError("--pull: DVC has no remote; name one with `dvc remote add --default NAME URL`")
        from .corrections import remove_damaged

        remove_damaged(repo.index.stages)  # then the remote's is fetched
        try:
            found: dict[str, Any] = repo.pull(targets=list(stages), run_cache=True, allow_missing=True)
        except Exception as error:  # noqa: BLE001 - DVC's, or botocore's or another driver's
            raise StageError(f"--pull: {error}; mend that and try `dvc pull`, or run without --pull") from None
    fetched = found["stats"]["fetched"]
    print(f"--pull: {fetched} files fetched; what the remote does not have is computed", file=sys.stderr)
