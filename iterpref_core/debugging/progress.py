"""How far a long run is: a bar in a terminal, a line now and then in a log. Both on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOG_INTERVAL_S = 10.0

Advance = Callable[[bool], None]


@contextmanager
def show_progress(label: str, total: int, done: int) -> Iterator[Advance]:
    """Show the progress of `total` problems, `done` of them by an earlier run.

    Yields:
        A function to call once per finished problem with whether it was solved.
    """
    with _show_bar(label, total, done) if sys.stderr.isatty() else _log_lines(label, total, done) as advance:
        yield advance


@contextmanager
def _show_bar(label: str, total: int, done: int) -> Iterator[Advance]:
    solved = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[solved]} solved"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(label, total=total, completed=done, solved=solved)

        def advance(is_solved: bool) -> None:
            nonlocal solved
            solved += is_solved
            progress.update(bar, advance=1, solved=solved)

        yield advance


@contextmanager
def _log_lines(label: str, total: int, done: int) -> Iterator[Advance]:
    solved = 0
    last = time.monotonic()

    def advance(is_solved: bool) -> None:
        nonlocal done, solved, last
        done += 1
        solved += is_solved
        if time.monotonic() - last >= LOG_INTERVAL_S or done == total:
            last = time.monotonic()
            print(f"{label}: {done}/{total} problems, {solved} solved in this run", file=sys.stderr, flush=True)

    yield advance
