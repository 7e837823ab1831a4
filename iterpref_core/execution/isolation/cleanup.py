"""Cleanup of a folder that hostile code has filled, and its size while the code is still at it."""

import contextlib
import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _remove_files(folder: int) -> list[str]:
    """Remove all files and empty folders; returns the names of the other folders."""
    full = []
    for name in os.listdir(folder):
        try:
            os.unlink(name, dir_fd=folder)
        except IsADirectoryError:
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError:
                full.append(name)
    return full


def empty_folder(root: str) -> None:
    """Remove everything beneath a folder, however deep and with any modes; links are never followed.

    Nothing may change the folder meanwhile.

    Raises:
        OSError: something could not be removed.
    """
    os.chmod(root, stat.S_IRWXU)
    here = os.open(root, _FOLDER)
    trail: list[str] = []
    left = [_remove_files(here)]
    while True:
        if left[-1]:
            name = left[-1].pop()
            os.chmod(name, stat.S_IRWXU, dir_fd=here)
            below = os.open(name, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
            trail.append(name)
            left.append(_remove_files(here))
        elif trail:
            above = os.open("..", _FOLDER, dir_fd=here)
            os.close(here)
            here = above
            os.rmdir(trail.pop(), dir_fd=here)
            left.pop()
        else:
            os.close(here)
            return


def remove_folder(root: str) -> None:
    """Remove a folder with everything beneath, if it is there; see `empty_folder`."""
    with contextlib.suppress(FileNotFoundError):
        empty_folder(root)
        os.rmdir(root)


def is_over(root: str, max_bytes: int, max_entries: int) -> bool:
    """Tell whether a folder holds more bytes or more entries than allowed.

    A folder that cannot be entered, or lies too deep, is over: nobody knows its content.
    """
    size = 0
    count = 0
    folders = [root]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    count += 1
                    if count > max_entries:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            continue  # it is being removed while it is read
        except OSError:
            return True
    return size > max_bytes
