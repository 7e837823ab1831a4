"""Stage slots: which stage may start now, with how many cores, and with which accelerators."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from iterpref_core.errors import IterPrefError
from tasks.dvc.graph import Stage, downstream_depth


class CancelledError(IterPrefError):
    """The run is being cancelled: nothing starts any more."""


class Slot(NamedTuple):
    """A share of the machine: cores, and accelerators by the names that `CUDA_VISIBLE_DEVICES` takes."""

    cores: int
    cards: tuple[str, ...]

    def variables(self) -> dict[str, str]:
        """Return the environment variables by which a child process keeps to the slot."""
        variables = {"OMP_NUM_THREADS": str(self.cores)}
        if self.cards:
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(self.cards)
        return variables


def visible_cards() -> tuple[str, ...]:
    """Return this machine's NVIDIA cards, of which `CUDA_VISIBLE_DEVICES` may leave some.

    CUDA sees the cards before the first name that stands for none: of `0,-1,1` card 0, and of `-1` no card.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        cards: list[str] = []
        for name in chosen.split(","):
            card = name.strip()
            if not card or card.startswith("-"):
                break
            cards.append(card)
        return tuple(cards)
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return tuple(listed.stdout.split()) if listed.returncode == 0 else ()


class Slots:
    """A machine's slots: at most `jobs` stages run at once, those with the longest chain after them first.

    An accelerated stage waits for a card of its own, or for all of them where its group is exclusive. A stage that will
    have company gets its share of the cores, so that stages do not crowd each other out; one that runs alone gets all.

    Args:
        graph: the stages that will ask for a slot.
        jobs: number of stages that run at once.
        cores: number of cores that they share.
        cards: accelerators that accelerated stages share; without any, these run as others do.
        exclusive: groups whose stages use all cards together, such as `training`.
    """

    def __init__(
        self, graph: Mapping[str, Stage], jobs: int, cores: int, cards: Sequence[str], exclusive: Sequence[str] = ()
    ) -> None:
        self._graph = graph
        # problems → pairs → training@dpo, and problems → validity: pairs goes before validity, because training waits
        # for it. Among equals the order of the graph decides, because `sorted` keeps it.
        depth = downstream_depth(graph)
        self._by_urgency = sorted(graph, key=lambda name: -depth[name])
        self._jobs = jobs
        self._cores = cores
        self._cards = list(cards)
        self._free = list(cards)
        self._exclusive = exclusive
        self._waiting = set(graph)
        self._running: set[str] = set()
        self._done: set[str] = set()
        self._cancelled = False
        self._changed = threading.Condition()

    @contextmanager
    def take(self, name: str) -> Iterator[Slot]:
        """Wait for a slot. A stage that ends without an error lets those after it start.

        Raises:
            CancelledError: the run was cancelled while the stage waited.
        """
        with self._changed:
            # A stage that is tried again waits again.
            self._waiting.add(name)
            self._changed.wait_for(lambda: self._cancelled or name in self._startable())
            if self._cancelled:
                raise CancelledError(f"{name}: not started, because the run was cancelled")
            # With 8 cores and 2 jobs: two stages that can start now get 4 cores each, a single one gets 8.
            company = min(self._jobs, len(self._running) + len(self._startable()))
            self._waiting.remove(name)
            self._running.add(name)
            cards = tuple(self._free[: self._needs(name)])
            self._free = self._free[len(cards) :]
        done = False
        try:
            yield Slot(max(1, self._cores // company), cards)
            done = True
        finally:
            with self._changed:
                self._running.remove(name)
                self._free.extend(cards)
                if done:
                    self._done.add(name)
                self._changed.notify_all()

    def cancel(self) -> None:
        """Let nothing start any more."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def _needs(self, name: str) -> int:
        """Return the number of cards that a stage waits for."""
        stage = self._graph[name]
        if not stage.accelerated:
            return 0
        if stage.group in self._exclusive:
            return len(self._cards)
        return min(1, len(self._cards))

    def _startable(self) -> list[str]:
        """Return the stages that can start now, together, the longest chain first.

        Every waiting stage asks, and only those that are named here go on. With 2 jobs, one card and no stage running,
        of [training@dpo, training@sft, validity] the first and the last can start: the card is taken by the first.
        """
        room = self._jobs - len(self._running)
        free = len(self._free)
        chosen: list[str] = []
        for name in self._by_urgency:
            if name not in self._waiting or not self._done.issuperset(self._graph[name].upstream):
                continue
            if len(chosen) < room and self._needs(name) <= free:
                free -= self._needs(name)
                chosen.append(name)
        return chosen
