"""Disk space: whether a run, or a stage, can write here."""

import shutil
import tempfile
from pathlib import Path

from iterpref_core.errors import StorageError, storage_error
from tasks.common.paths import STATE

_NEEDED_MB = 50
"""What the databases of MLflow and Prefect grow by in a run of the smallest experiment, with as much again."""


def full_disk(needed_mb: float = 1.0) -> StorageError | None:
    """The error to raise where less than so much of the workspace's disk is free.

    After an error that says nothing of it, too: a Prefect server whose disk is full answers with an internal error.
    """
    free_mb = shutil.disk_usage(Path()).free / 2**20
    if free_mb >= needed_mb:
        return None
    return StorageError(
        f"{Path.cwd()}: No space left on device: {free_mb:.0f} MiB are free, and a run needs {_NEEDED_MB} for its "
        "records alone; free some space and run again"
    )


def check_workspace() -> None:
    """See to it that a run can keep its records here: without them it would end in the middle.

    Raises:
        StorageError: the workspace must not be written, or its disk is full.
    """
    if (full := full_disk(_NEEDED_MB)) is not None:
        raise full
    try:
        STATE.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=STATE):
            pass
    except OSError as error:
        raise storage_error(error) or error from None
