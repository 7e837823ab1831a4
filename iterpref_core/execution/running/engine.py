"""Define the engine that runs untrusted programs, on this machine or on a cluster."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Self, TypeVar

from ..protocol.programs import Limits, Outcome, Program

ENGINE = "iterpref-execution-21"
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
        waiting: deque[Future[tuple[T, R]]] = deque()
        threads = ThreadPoolExecutor(self.slots, thread_name_prefix="execution")

        def with_item(item: T) -> tuple[T, R]:
            return item, function(item)

        try:
            for item in items:
                waiting.append(threads.submit(with_item, item))
                # With fewer items under way, a slot might soon be idle.
                while waiting and (waiting[0].done() or len(waiting) >= LOOK_AHEAD * self.slots):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

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
