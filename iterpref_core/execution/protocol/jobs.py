"""Jobs that the supervisor hands to a zygote, and the answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from .machine_paths import MachinePaths

HEAD_OF_OUTPUT = 2000
"""Bytes of a program's output that feedback is made of."""


@dataclass(frozen=True)
class Job:
    """One thing for a zygote to run.

    Attributes:
        program: the message to the program's process; see `protocol.steps.packed`.
        turns: the steps of its tests, if they have several turns.
        stdin: the input of a script on a console; None for a program that is called.
        keep: bytes of its standard output that are wanted.
    """

    program: bytes
    turns: Sequence[bytes]
    stdin: bytes | None = None
    keep: int = HEAD_OF_OUTPUT


@dataclass(frozen=True)
class Answer:
    """What is seen of a program from outside, and the bytes that it wrote.

    Attributes:
        killed: the limit that the program has hit: `cpu`, `test`, `wall`, `disk` or `processes`; else empty.
        exit: exit status, negative for a signal.
        cpu_s: CPU seconds.
        paths: those of the machine that the program may have met, which feedback does not show.
        output: the beginning of all that it printed; of a script, its standard output as far as it was asked for.
        printed: bytes printed.
        channel: the reports.
    """

    killed: str
    exit: int
    cpu_s: float
    paths: MachinePaths
    output: bytes
    printed: int
    channel: bytes
