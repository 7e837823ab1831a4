"""Reproduction: one command of DVC in a process of its own, its lines passed on, and what went wrong in a stage."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from iterpref_core.config import load_params
from iterpref_core.cores import usable_cores
from iterpref_core.errors import InputError, IterPrefError
from tasks import child
from tasks.dvc_graph import Stage, stale_stages
from tasks.slots import Slots, visible_cards

TRY_AGAIN = 75
"""The exit code of a stage that could not reach a server."""

_STARTED = re.compile(r"Running stage '(.+)':")
_HINTS = re.compile(r"To track the changes|\s*git add|To enable auto staging|\s*dvc config core|Use `dvc push`")
"""What DVC advises after every stage, and what the user's git has nothing of."""


class StageError(IterPrefError):
    """A stage failed for a reason other than its input."""


class KilledError(StageError):
    """A stage was killed by a signal, and could record nothing itself."""


class UnreachableError(StageError):
    """A stage could not reach a server, and may when it runs again."""


class Commands:
    """The commands of DVC that are under way."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def run(
        self,
        what: str,
        arguments: Sequence[str],
        environment: dict[str, str],
        say: Callable[[str], object],
        folder: Path = Path(),
    ) -> list[str]:
        """Run one to its end, and return the names of the stages that ran in it.

        Args:
            what: it is for, such as a stage's name, for messages.
            arguments: of `dvc`.
            environment: what is added to that of this process, or replaced.
            say: is given each line of its output.
            folder: in which it runs.

        Raises:
            InputError: the stage refused its input or its parameters.
            UnreachableError: the stage could not reach a server.
            StageError: the stage failed otherwise.
        """
        # A child that had Prefect's own variables would take itself for this flow run.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
        inherited["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        process = child.start(
            [sys.executable, "-m", "dvc", *arguments],
            inherited | {"PYTHONUNBUFFERED": "1"} | environment,
            folder=folder,
        )
        with self._lock:
            self._running.add(process)
        lines = []
        try:
            for line in child.read_lines(process):
                lines.append(line)
                if not _HINTS.match(line):
                    say(line)
        finally:
            child.end(process)
            with self._lock:
                self._running.discard(process)
        if process.returncode:
            raise explain_failure(what, lines, process.returncode)
        return [found[1] for found in map(_STARTED.match, lines) if found]

    def end(self) -> None:
        """End all that are still there."""
        with self._lock:
            running = list(self._running)
        for process in running:
            child.end(process)


class Reproduction:
    """Brings stages up to date, as many at once as there are slots.

    Args:
        graph: the stages that are asked for, with all they need.
        jobs: how many run at once.
    """

    def __init__(self, graph: Mapping[str, Stage], jobs: int) -> None:
        spread = ("training",) if load_params().training.accelerate else ()
        self._slots = Slots(graph, jobs, usable_cores(), visible_cards(), spread)
        self._stale = stale_stages()
        self._commands = Commands()

    def bring_up_to_date(self, stage: Stage, environment: dict[str, str], say: Callable[[str], object]) -> bool:
        """Reproduce one stage, behind which those before it are; returns whether it ran.

        Raises:
            CancelledError: the run was cancelled before the stage started.
            IterPrefError: what `Commands.run` raises.
        """
        with self._slots.take(stage.name) as slot:
            # The global flag stands before the command: DVC knows it nowhere else.
            command = ["--wait-for-lock", "repro", "--single-item", stage.name]
            if not self._needs_dvc(stage):
                return False
            return bool(self._commands.run(stage.name, command, environment | slot.variables(), say))

    def end(self) -> None:
        """End every stage that is still there; let none start."""
        self._slots.cancel()
        self._commands.end()

    def _needs_dvc(self, stage: Stage) -> bool:
        """Whether only DVC can say if the stage is up to date: it was stale, or one before it was."""
        if stage.name in self._stale or not self._stale.isdisjoint(stage.upstream):
            self._stale.add(stage.name)
            return True
        return False


def explain_failure(what: str, lines: Sequence[str], returncode: int) -> IterPrefError:
    """What went wrong, for the user: the stage's own reason if it could give one.

    >>> explain_failure("training@dpo", ["ERROR: failed to run: python …, exited with -9"], 1).args[0]
    'stage training@dpo was killed (signal 9); the system may have run out of memory'
    """
    reasons = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    exited = re.search(r"exited with (-?\d+)", "\n".join(lines[-5:]))
    code = int(exited[1]) if exited else returncode
    number = -code if code < 0 else code - 128
    if number > 0 and code != 255:
        memory = "; the system may have run out of memory" if number == 9 else ""
        return KilledError(f"stage {what} was killed (signal {number}){memory}")
    if not reasons:
        return StageError(f"stage {what} failed with exit code {code}; its last lines:\n" + "\n".join(lines[-20:]))
    kind = {2: InputError, TRY_AGAIN: UnreachableError}.get(code, StageError)
    return kind(f"stage {what}: {reasons[-1]}")
