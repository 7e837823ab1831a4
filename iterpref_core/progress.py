"""Progress of a long run, on stderr: a bar in a terminal, a line now and then in a log.

Of processes that `accelerate launch` started together, the first alone shows it.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOG_INTERVAL_S = 10.0


class Advance(Protocol):
    """Tells that `count` more items are done; `note` (a loss, a count) is shown beside the progress."""

    def __call__(self, count: int = 1, note: str = "") -> None:
        """Count more items."""
        ...


@contextmanager
def show_progress(label: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Advance]:
    """Show the progress of `total` items, `done` of them by an earlier run; yields what to call as more are done."""
    if os.environ.get("RANK", "0") != "0":
        yield _show_nothing
        return
    shown = _show_bar(label, total, done) if sys.stderr.isatty() else _log_lines(label, total, done, unit)
    with shown as advance:
        yield advance


def _show_nothing(count: int = 1, note: str = "") -> None:
    """For all but the first of several processes."""


@contextmanager
def _show_bar(label: str, total: int, done: int) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(label, total=total, completed=done, note="")

        def advance(count: int = 1, note: str = "") -> None:
            progress.update(bar, advance=count, note=note)

        yield advance


@contextmanager
def _log_lines(label: str, total: int, done: int, unit: str) -> Iterator[Advance]:
    last = time.monotonic()

    def advance(count: int = 1, note: str = "") -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last >= LOG_INTERVAL_S or done == total:
            last = time.monotonic()
            amount = f"{done}/{total} {unit}".rstrip()
            print(f"{label}: {amount}{', ' + note if note else ''}", file=sys.stderr, flush=True)

    yield advance
