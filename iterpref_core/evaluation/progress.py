"""How far an evaluation is, on stderr: a bar in a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

LOG_INTERVAL_S = 10.0

Advance = Callable[[int], None]


@contextmanager
def show_progress(label: str, total: int) -> Iterator[Advance]:
    """Show the progress of `total` items; yields a function to call with how many more are done."""
    with _show_bar(label, total) if sys.stderr.isatty() else _log_lines(label, total) as advance:
        yield advance


@contextmanager
def _show_bar(label: str, total: int) -> Iterator[Advance]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(label, total=total)
        yield lambda count: progress.advance(bar, count)


@contextmanager
def _log_lines(label: str, total: int) -> Iterator[Advance]:
    done, last = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last >= LOG_INTERVAL_S or done == total:
            last = time.monotonic()
            print(f"{label}: {done}/{total}", file=sys.stderr, flush=True)

    yield advance
