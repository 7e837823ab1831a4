"""Execution engine: the runner of untrusted programs, on this machine or on a cluster."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Self, TypeVar

from iterpref_core.execution.protocol.programs import Limits, Outcome, Program

ENGINE = "iterpref-execution-18"
"""This project's engine, as results name it. The number rises with every change that may change a verdict."""
LOOK_AHEAD = 8
"""Items per slot that may be taken from an input beyond the one whose result is due."""

T = TypeVar("T")
R = TypeVar("R")


class Engine(ABC):
    """Runs untrusted programs, isolated; a context manager that owns the processes it has started.

    Attributes:
        limits: of each program that brings none of its own.
        isolation: tier and layers in force.
        slots: the number of programs that run at a time.
    """

    limits: Limits
    isolation: str
    slots: int

    @abstractmethod
    def run_one(self, program: Program) -> Outcome:
        """Run one program and return its outcome; may be called from any thread.

        Raises:
            ExecutionError: the engine is closed, or cannot start its processes.
            ConfigError: a test needs an environment that is not known or cannot be used.
            RecordError: the expected value of a test is not a literal.
        """

    @abstractmethod
    def close(self) -> None:
        """End all processes that it has started."""

    def run_each(self, items: Iterable[T], make_program: Callable[[T], Program]) -> Iterator[tuple[T, Outcome]]:
        """Yield each item and the outcome of its program, in the order of the items, with a bounded look-ahead."""
        return self.each(items, lambda item: self.run_one(make_program(item)))

    def each(self, items: Iterable[T], function: Callable[[T], R]) -> Iterator[tuple[T, R]]:
        """Yield each item with its result of `function`, in the order of the items; streams, with a bounded look-ahead.

        Items are taken in the caller's thread. `function`, which may call `run_one` often, runs in one thread per slot.
        """
        waiting: deque[tuple[T, Future[R]]] = deque()
        threads = ThreadPoolExecutor(self.slots, thread_name_prefix="execution")
        try:
            for item in items:
                waiting.append((item, threads.submit(function, item)))
                while waiting:
                    first, result = waiting[0]
                    # The oldest one is waited for only where so many others are under way that no slot is idle.
                    enough = len(waiting) >= LOOK_AHEAD * self.slots
                    if not enough and not result.done():
                        break
                    waiting.popleft()
                    yield first, result.result()
            for item, result in waiting:
                yield item, result.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def call(self, program: Program) -> tuple[list[Any], Outcome]:
        """Bring values out of a program: those of its value tests, up to the first that fails, and the outcome."""
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
