"""Mark a folder that was written to its end, and see whether its files are still as long as they were then.

A power cut may leave files shorter, also of a folder that a process had finished.
"""

import json
from contextlib import suppress
from pathlib import Path

_MARK = "whole"


def mark_whole(folder: Path) -> None:
    """Mark a folder whose files are all written."""
    (folder / _MARK).write_text(json.dumps(_sizes(folder)), encoding="utf-8")


def is_whole(folder: Path) -> bool:
    """Return True if a folder was marked, and each file has the bytes that it had then."""
    with suppress(OSError, ValueError):
        return bool(json.loads((folder / _MARK).read_bytes()) == _sizes(folder))
    return False


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each file but the mark."""
    files = [path for path in folder.rglob("*") if path.is_file() and path != folder / _MARK]
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}
