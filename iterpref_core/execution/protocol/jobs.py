"""Jobs that the supervisor hands to a zygote, and the answers of zygotes."""

from dataclasses import dataclass

from iterpref_core.execution.frames import AnswerHead
from iterpref_core.execution.protocol.machine_paths import MachinePaths


@dataclass(frozen=True)
class Console:
    """The console of a program that is a script.

    Attributes:
        stdin: its input.
        keep: bytes of its standard output that are wanted; -1 for a program that is called.
    """

    stdin: bytes = b""
    keep: int = -1


@dataclass(frozen=True)
class Job:
    """One thing for a zygote to run.

    Attributes:
        program: the message to the program's process; see `protocol.steps.packed`.
        turns: the steps of its tests, if they have several turns.
        key: begins each report of that process.
        runners: that its tests need; see `frames.Settings`.
        console: of a script.
    """

    program: bytes
    turns: bytes
    key: str
    runners: str = ""
    console: Console = Console()


@dataclass(frozen=True)
class Answer:
    """The observations of a zygote from outside of a program, and the raw bytes that the program wrote.

    Attributes:
        seen: the zygote's observations.
        paths: those of the machine that the program may have met, which feedback does not show.
        printed: the beginning of all that it printed; of a script, its standard output as far as it was asked for.
        channel: the reports.
    """

    seen: AnswerHead
    paths: MachinePaths
    printed: bytes
    channel: bytes
