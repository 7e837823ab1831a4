"""Terminal bars: one for each running stage, below the lines of the log.

Where its output is no terminal there are no bars: the stages' own lines say how far they are, every ten seconds.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from iterpref_core.progress import tell_watchers, watched_progress


class StageBars(logging.Handler):
    """Prints log records, and draws a bar for each stage that runs; a record of progress alone is left to the bar."""

    def __init__(self, lines: IO[str]) -> None:
        super().__init__()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bars = Progress(*columns, TextColumn("{task.fields[part]}"), console=Console(file=lines))
        self._tasks: dict[str, TaskID] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record above the bars."""
        if not hasattr(record, "progress"):
            self.bars.console.print(Text(self.format(record)), soft_wrap=True)

    def follow(self, label: str, done: int, total: int) -> None:
        """Watch progress, as `running` and the stages' journals tell it; see `iterpref_core.progress.Watcher`."""
        stage, _, part = label.partition(": ")
        if stage not in self._tasks:
            self._tasks[stage] = self.bars.add_task(f"{stage:<19}", total=None, part="")
        if not part and done:
            self.bars.remove_task(self._tasks.pop(stage))
        elif part:
            self.bars.update(self._tasks[stage], completed=done, total=total, part=part)


@contextmanager
def running(stage: str) -> Iterator[None]:
    """Tell whoever watches progress that a stage runs, for as long as it does."""
    tell_watchers(stage, 0, 1)
    try:
        yield
    finally:
        tell_watchers(stage, 1, 1)


@contextmanager
def shown_lines(lines: IO[str], logger: logging.Logger) -> Iterator[None]:
    """Show what a logger logs, with bars where the lines go to a terminal."""
    handler = StageBars(lines) if lines.isatty() else logging.StreamHandler(lines)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    try:
        if isinstance(handler, StageBars):
            with handler.bars, watched_progress(handler.follow):
                yield
        else:
            yield
    finally:
        logger.removeHandler(handler)
