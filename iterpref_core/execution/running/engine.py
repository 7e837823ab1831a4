"""Define the engine that runs untrusted programs, on this machine or on a cluster."""

import contextlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Self, TypeVar

from iterpref_core.execution.protocol.programs import Limits, Outcome, Program

ENGINE = "iterpref-execution-19"
"""The name of this engine in results. The number rises with every change that can change a verdict."""
LOOK_AHEAD = 8
"""Items for each slot that may be taken from an input before their results are due."""

T = TypeVar("T")
R = TypeVar("R")


class Engine(ABC):
    """Runs untrusted programs, isolated; a context manager that owns the processes that it starts.

    Attributes:
        limits: limits of each program that does not set its own.
        isolation: tier and layers in force.
        slots: the number of programs that run at a time.
    """

    limits: Limits
    isolation: str
    slots: int

    @abstractmethod
    def run_one(self, program: Program) -> Outcome:
        """Run one program and return its outcome; thread-safe.

        Raises:
            ExecutionError: the engine is closed, or cannot start its processes.
            ConfigError: a test needs an environment that is unknown or unusable.
            RecordError: the expected value of a test is not a literal.
        """

    @abstractmethod
    def close(self) -> None:
        """End all processes that the engine has started."""

    def run_each(self, items: Iterable[T], make_program: Callable[[T], Program]) -> Iterator[tuple[T, Outcome]]:
        """Yield each item and the outcome of its program, in the order of the items, with a bounded look-ahead."""
        return self.each(items, lambda item: self.run_one(make_program(item)))

    def each(self, items: Iterable[T], function: Callable[[T], R]) -> Iterator[tuple[T, R]]:
        """Yield each item with its result of `function`, in the order of the items; streams, with a bounded look-ahead.

        Items are taken in the caller's thread. `function`, which may call `run_one` often, runs in one thread per slot.
        """
        # Queues: a future for each item costs twice as much.
        given: SimpleQueue[Any] = SimpleQueue()
        done: SimpleQueue[Any] = SimpleQueue()
        # One thread for each slot takes items and waits for their programs. Daemons, because a thread that waits for a
        # cluster that is gone must not keep the process.
        for number in range(self.slots):
            arguments = (function, given, done)
            Thread(target=_work, args=arguments, name=f"execution-{number}", daemon=True).start()
        waiting: deque[tuple[int, T]] = deque()
        results: dict[int, tuple[Any, BaseException | None]] = {}
        try:
            for taken in enumerate(items):
                given.put(taken)
                waiting.append(taken)
                # With fewer items under way, a slot might soon be idle.
                yield from _due(waiting, results, done, LOOK_AHEAD * self.slots - 1)
            yield from _due(waiting, results, done, 0)
        finally:
            # Drop items that no thread has taken, then end the threads.
            with contextlib.suppress(Empty):
                while True:
                    given.get_nowait()
            for _ in range(self.slots):
                given.put(None)

    def call(self, program: Program) -> tuple[list[Any], Outcome]:
        """Return the values of a program's value tests, up to the first that fails, and the outcome."""
        values: list[Any] = []

        def keep(_test: int, value: Any) -> bool:
            values.append(value)
            return True

        outcome = self.run_one(replace(program, comparator=keep))
        return values, outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _work(function: Callable[[Any], Any], given: SimpleQueue[Any], done: SimpleQueue[Any]) -> None:
    """Put the number of each item that is given, its result or None, and its error or None into a queue."""
    while (job := given.get()) is not None:
        number, item = job
        try:
            done.put((number, function(item), None))
        except BaseException as error:  # noqa: BLE001 - raised again when the result is due
            done.put((number, None, error))


def _due(
    waiting: deque[tuple[int, T]], results: dict[int, tuple[Any, Any]], done: SimpleQueue[Any], most: int
) -> Iterator[tuple[T, Any]]:
    """Yield the results that are there, in the order of the items; wait while more than `most` items have none.

    Raises:
        BaseException: the error of an item that is due.
    """
    while waiting:
        first, item = waiting[0]
        while first not in results:
            # The oldest result is missing, but the caller may go on with further items.
            if len(waiting) <= most and done.empty():
                return
            number, value, error = done.get()
            results[number] = value, error
        waiting.popleft()
        value, error = results.pop(first)
        if error is not None:
            raise error
        yield item, value
