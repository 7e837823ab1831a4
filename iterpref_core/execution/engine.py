"""Engine protocol: what runs programs, on this machine or on a cluster."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from iterpref_core.execution.programs import Limits, Outcome, Program

ENGINE = "iterpref-execution-2"
"""This project's engine, as results name it. The number rises with every change that may change a verdict."""


class ProgramRunner(Protocol):
    """All that most callers need of an `Engine`."""

    def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
        """Outcomes in the order of the programs, which are counted from `first`."""
        ...


class Engine(ABC):
    """Runs untrusted programs, isolated; a context manager that owns what it started.

    Attributes:
        limits: of each program that brings none of its own.
        isolation: tier and layers in force.
    """

    limits: Limits
    isolation: str

    @property
    @abstractmethod
    def places(self) -> int:
        """How many runs of one program are worth having under way at once."""

    @abstractmethod
    def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
        """Outcomes in the order of the programs, streaming, with a bounded look-ahead.

        `first` is where the programs begin in a longer stream. Several runs may be under way at once, in many threads.
        """

    @abstractmethod
    def close(self) -> None:
        """End what it started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
