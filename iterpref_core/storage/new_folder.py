"""New folder: a folder that appears under its name whole or not at all, for all to read whom the umask allows to."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iterpref_core.records.errors import InputError, StorageError, storage_error


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Make a folder. The block fills a temporary one, which gets its name when the block ends without an error.

    Args:
        out: a folder that is absent or empty.

    Raises:
        InputError: `out` is a file, or is not empty.
        StorageError: the disk is full, or must not be written; the message names `out`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is not empty; name a new folder, or remove this one")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        _let_all_read(partial)
        partial.replace(out)
    except Exception as error:
        # Writers of models and of Parquet name no file.
        explained = storage_error(error, str(out))
        if explained is None:
            raise
        raise StorageError(str(explained).replace(partial.name, out.name)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _let_all_read(folder: Path) -> None:
    """Give files the rights of their folder: the writer of safetensors gives them to the owner alone."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(path.stat().st_mode | path.parent.stat().st_mode & 0o666)
