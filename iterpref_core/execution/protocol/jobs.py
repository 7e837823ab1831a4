"""Jobs that the supervisor hands to a zygote, and the answers of zygotes."""

from dataclasses import dataclass

from iterpref_core.execution.protocol.machine_paths import MachinePaths


@dataclass(frozen=True)
class Console:
    """The console of a program that is a script.

    Attributes:
        stdin: its input.
        keep: bytes of its standard output that are wanted.
    """

    stdin: bytes
    keep: int


@dataclass(frozen=True)
class Job:
    """One thing for a zygote to run.

    Attributes:
        program: the message to the program's process; see `sandbox.child` and `sandbox.judge.program`.
        judge: the message to the judge beside it; None where there is none. See `sandbox.judge.session`.
        pytest: the tests need pytest, which the zygote imports once.
        console: of a script; None for a program that is called.
        key: of the judge's reports, which are signed; it is not sent apart.
    """

    program: bytes
    judge: bytes | None = None
    pytest: bool = False
    console: Console | None = None
    key: bytes = b""


@dataclass(frozen=True)
class Answer:
    """The observations of a zygote from outside of a program, and the raw bytes of the program's channel.

    `killed` names the limit that it has hit (`busy`: maybe because the machine was). `paths` are those of the machine
    that it may have met, which feedback does not show. `head` is the beginning of all that it printed. `stdout` is the
    standard output of a program on a console, as far as it was asked for. `judge` is the exit status of the judge
    beside it, where there was one. `rewritten` says that the program has changed a report that the zygote had seen.
    """

    killed: str | None
    busy: bool
    exit: int
    cpu: float
    printed: int
    paths: MachinePaths
    head: bytes
    stdout: bytes
    channel: bytes
    judge: int | None = None
    rewritten: bool = False
