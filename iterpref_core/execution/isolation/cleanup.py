"""Empty a folder that hostile code has filled, and measure it while the code still runs."""

import contextlib
import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _remove_files(folder: int) -> list[str]:
    """Remove all files and empty folders; return the names of the other folders."""
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
    """Remove everything in a folder, at any depth and with any modes, without following links.

    The folder must not change meanwhile.

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
    """Remove a folder with everything in it, if it exists; see `empty_folder`."""
    with contextlib.suppress(FileNotFoundError):
        empty_folder(root)
        os.rmdir(root)


def is_over(root: str, max_bytes: int, max_entries: int) -> bool:
    """Return whether a folder holds more bytes or more entries than allowed.

    A folder that cannot be entered, or is nested too deeply, counts as over, because its content is unknown.
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
            # The program removed it while it was read.
            continue
        except OSError:
            return True
    return size > max_bytes
