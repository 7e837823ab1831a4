"""Emptying a folder that hostile code has filled."""

import os
import stat


def empty_folder(root: str) -> None:
    """Remove everything beneath a folder, links unfollowed, however deep: nested folders are moved up, then removed.

    Raises:
        OSError: something could not be removed.
    """
    serial = 0
    while entries := list(os.scandir(root)):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            try:
                os.rmdir(entry.path)
                continue
            except OSError:
                os.chmod(entry.path, stat.S_IRWXU)
            for inner in list(os.scandir(entry.path)):
                if inner.is_dir(follow_symlinks=False):
                    serial += 1
                    os.chmod(inner.path, stat.S_IRWXU)
                    os.rename(inner.path, os.path.join(root, f".up{os.getpid()}-{serial}"))
                else:
                    os.unlink(inner.path)
            os.rmdir(entry.path)
