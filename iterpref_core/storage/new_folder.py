"""Write a folder or file that appears under its name whole or not at all, with the rights of the umask."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from iterpref_core.records import InputError, StorageError, storage_error


@contextmanager
def new_folder(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """Make a folder. The block fills a temporary one, which gets its name when the block ends without an error.

    Args:
        out: a folder that is absent or empty.
        replace: `out` may hold files; they are there until the new folder is whole.

    Raises:
        InputError: `out` is a file, or is not empty.
        StorageError: see `new_path`.
    """
    if out.exists() and not replace and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is not empty; name a new folder, or remove this one")
    with new_path(out) as partial:
        partial.mkdir(parents=True)
        yield partial
        _let_all_read(partial)


@contextmanager
def new_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path for the file or folder that the block makes; after an error it is removed.

    Args:
        path: the file or folder, which gets its name when the block ends.

    Raises:
        InputError: `path` is a device or a pipe.
        StorageError: the disk is full, or must not be written; the message names `path`.
    """
    # A symbolic link stays one: its target is written.
    if path.is_symlink():
        with suppress(FileNotFoundError):
            path.stat()  # raises an error for a link that leads to itself, which `resolve` of Python 3.13 returns
        path = path.resolve()
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: is a device or a pipe; name a file")
    _put_right(path)
    # In the same folder, since a rename stays within a file system; with the process's number, since two
    # processes may write the same file.
    partial = _beside(path, os.getpid(), "partial")
    earlier = _beside(path, os.getpid(), "earlier")
    _remove(partial)
    try:
        yield partial
        if path.is_dir():
            # A folder takes no other one's place: that is renamed first, so that a kill leaves both whole.
            path.rename(earlier)
        partial.replace(path)
    except Exception as error:
        # A write to an open file names no file, and neither do writers of models, of Arrow and of Parquet.
        explained = storage_error(error, str(path))
        if explained is None:
            raise
        raise StorageError(str(explained).replace(partial.name, path.name)) from None
    finally:
        _remove(partial)
        _restore(earlier, path)


def _beside(path: Path, process: int | str, kind: str) -> Path:
    """Return the hidden path for a process's unfinished or earlier file or folder of a name."""
    return path.with_name(f".{path.name}.{process}.{kind}")


def _put_right(path: Path) -> None:
    """Remove the folders that killed processes left next to a path; a folder that was moved away gets its name back."""
    hidden = glob.escape(path.name)
    for kind in ("earlier", "partial"):
        for left in path.parent.glob(f".{hidden}.*.{kind}"):
            process = left.suffixes[-2][1:]
            if process.isdecimal() and not _is_running(int(process)):
                _restore(left, path)


def _restore(left: Path, path: Path) -> None:
    """Give an earlier folder its name back if the name is free; else remove the folder."""
    if left.suffix == ".earlier" and left.exists() and not path.exists():
        left.rename(path)
    _remove(left)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # of another user
    return True


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    # A folder without write permission refuses the removal too.
    with suppress(OSError):
        path.unlink()


def _let_all_read(folder: Path) -> None:
    """Give files the rights of their folder: the writer of safetensors gives them to the owner alone."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(path.stat().st_mode | path.parent.stat().st_mode & 0o666)
