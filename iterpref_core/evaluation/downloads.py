"""Benchmark downloads: files found on this machine, or downloaded once."""

import time
from collections.abc import Callable
from pathlib import Path

from iterpref_core.storage.jsonl import atomic_writer

RETRY_S = 600.0
"""How long a failed download is believed: one experiment evaluates many models, and each would wait again."""


def cached_or_downloaded(own: Path, official: Path, download: Callable[[Path], str]) -> tuple[Path | None, str]:
    """Where a file is, or None and the reason why it cannot be had.

    Args:
        own: where it is downloaded to.
        official: where the benchmark's own package would have left it (only ever read).
        download: writes the file it is given, whole or not at all; returns why not, or nothing.
    """
    for candidate in (own, official):
        if candidate.is_file():
            return candidate.resolve(), ""
    failure = own.with_name(f"{own.name.removesuffix('.gz')}.unreachable")
    if failure.is_file() and time.time() - failure.stat().st_mtime < RETRY_S:
        return None, failure.read_text(encoding="utf-8")
    reason = download(own)
    if not reason:
        return own.resolve(), ""
    with atomic_writer(failure) as file:
        file.write(reason)
    return None, reason


def official_cache(package: str) -> Path:
    """The folder in which a package that was used on this machine has left its data."""
    from appdirs import user_cache_dir  # type: ignore[import-untyped]

    return Path(user_cache_dir(package))
