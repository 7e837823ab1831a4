"""What runs programs, on this machine or on a cluster."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from iterpref_core.execution.programs import Limits, Outcome, Program


class Engine(Protocol):
    """Runs untrusted programs, isolated; a context manager that owns what it started.

    Attributes:
        limits: of each program that brings none of its own.
        isolation: tier and layers in force.
    """

    limits: Limits
    isolation: str

    def run(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        """Outcomes in the order of the programs, streaming, with a bounded look-ahead."""
        ...

    def __enter__(self) -> Self:
        """Ready to run."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what it started."""
        ...
