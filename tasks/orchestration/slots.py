"""Stage slots: which stage may start now, and with how many cores."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from iterpref_core.errors import IterPrefError
from tasks.recording.dvc_graph import Stage, downstream_depth


class CancelledError(IterPrefError):
    """The run is being cancelled: nothing starts any more."""


class Slots:
    """At most `jobs` stages at once; where more could run, those with the longest chain behind them go first.

    A stage that will have company gets its share of the cores, so that stages do not crowd each other out; one that
    runs alone gets all.
    """

    def __init__(self, graph: Mapping[str, Stage], jobs: int, cores: int) -> None:
        self._graph = graph
        self._depth = downstream_depth(graph)
        self._jobs = jobs
        self._cores = cores
        self._started: set[str] = set()
        self._running: set[str] = set()
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self._cancelled = False
        self._changed = threading.Condition()

    @contextmanager
    def take(self, name: str) -> Iterator[int]:
        """Wait for a slot; yields the number of cores that the stage may use.

        A stage that ends without an error counts as done, and lets those behind it start. One that fails may take
        a slot again.

        Raises:
            CancelledError: the run was cancelled while the stage waited.
        """
        with self._changed:
            if name in self._failed:  # it is tried again
                self._failed.remove(name)
                self._started.remove(name)
            self._changed.wait_for(lambda: self._cancelled or name in self._next())
            if self._cancelled:
                raise CancelledError(f"{name}: not started, because the run was cancelled")
            self._started.add(name)
            self._running.add(name)
            cores = max(1, self._cores // min(self._jobs, len(self._running) + len(self._ready())))
        done = False
        try:
            yield cores
            done = True
        finally:
            with self._changed:
                self._running.remove(name)
                if done:
                    self._done.add(name)
                else:
                    self._failed.add(name)
                self._changed.notify_all()

    def cancel(self) -> None:
        """Let nothing start any more."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def _ready(self) -> list[str]:
        """Stages that wait for nothing but a slot, the longest chain first; one that failed is none of them."""
        waiting = [stage for name, stage in self._graph.items() if name not in self._started]
        ready = [stage.name for stage in waiting if self._done.issuperset(stage.upstream)]
        return sorted(ready, key=lambda name: -self._depth[name])

    def _next(self) -> list[str]:
        return self._ready()[: self._jobs - len(self._running)]
