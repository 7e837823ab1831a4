"""Show the progress of a long run on stderr, as a bar in a terminal, or as lines in a log.

Of the processes that `accelerate launch` starts together, only the first shows progress.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

T = TypeVar("T")

LOG_INTERVAL_S = 10.0


def is_main_process() -> bool:
    """Return True for the process that acts for the group, also before the processes have met."""
    return os.environ.get("RANK", "0") == "0"


class Advance(Protocol):
    """A function that counts finished items; its `note` (a loss, a count) is shown next to the progress."""

    def __call__(self, count: int = 1, note: str = "") -> None:
        """Count more items."""
        ...


def watch(label: str, total: int | None, items: Iterable[T]) -> Iterator[T]:
    """Yield items, and show how many of `total` are done; None: their number is unknown."""
    with show_progress(label, total) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def show_progress(
    label: str,
    total: int | None,
    *,
    done: int = 0,
    unit: str = "",
) -> Iterator[Advance]:
    """Show the progress of `total` items, `done` of them by an earlier run; None: their number is unknown.

    Yields:
        The function to call for finished items.
    """
    first_process = is_main_process()
    in_terminal = sys.stderr.isatty()
    has_bar = first_process and in_terminal
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    last_line = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), disable=not has_bar) as progress:
        bar = progress.add_task(label, total=total, completed=done, note="")

        def advance(count: int = 1, note: str = "") -> None:
            nonlocal done, last_line
            done += count
            if has_bar:
                progress.update(bar, completed=done, note=note)
            # A log gets a line every ten seconds, and at the end.
            due = time.monotonic() - last_line >= LOG_INTERVAL_S or done == total
            if due and first_process and not in_terminal:
                last_line = time.monotonic()
                counted = f"{done}" if total is None else f"{done}/{total}"
                line = f"{label}: {counted} {unit}".rstrip()
                if note:
                    line += f", {note}"
                print(line, file=sys.stderr, flush=True)

        yield advance
