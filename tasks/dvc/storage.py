"""Check that DVC can keep a result before a stage works for it, perhaps for hours."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryFile

from iterpref_core.records import InputError, Params
from tasks.paths import LOCK

from .graph import opened_repo

_LEAST_MB = 200


def check_storage(params: Params, trainings: int = 1) -> str:
    """Write and remove a file in DVC's cache, and return how much space is free there.

    Args:
        params: names the model; each training writes one of its size.
        trainings: the number of trainings that will run.

    Raises:
        InputError: DVC could not write there, or into dvc.lock, or the trained models would not fit.
    """
    check_lock()
    with opened_repo(Path()) as repo:
        cache = Path(repo.cache.legacy.path)
    cache.mkdir(parents=True, exist_ok=True)
    # Another user of a shared cache may have made a folder in it, such as `runs/0c` or `files/md5/4f`.
    for folder in (cache, *cache.glob("runs/*"), *cache.glob("files/md5/*")):
        if not os.access(folder, os.W_OK):
            raise InputError(
                f"{folder}: cannot be written, so DVC could not keep results; if several users share the cache, each "
                "needs `dvc config --local cache.shared group` (docs/cluster.md)"
            )
    with TemporaryFile(dir=cache) as file:
        file.write(b"1")
    student = Path(params.model.student)
    size = sum(path.stat().st_size for path in student.rglob("*") if path.is_file()) if student.is_dir() else 0
    needed = max(trainings * size >> 20, _LEAST_MB)
    free = shutil.disk_usage(cache).free >> 20
    if free < needed:
        raise InputError(
            f"{cache}: {free:,} MB are free, and the results need about {needed:,} MB; `make gc` frees some"
        )
    return f"{cache}, {free:,} MB free"


def check_lock() -> None:
    """Refuse a dvc.lock that DVC could not change after the stage.

    Raises:
        InputError: the file cannot be written.
    """
    if LOCK.is_file() and not os.access(LOCK, os.W_OK):
        raise InputError(f"{LOCK}: cannot be written, so that no result would be recorded; change its mode or owner")
