"""Run a command of DVC in its own process, pass its output on, and explain a failure."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from filelock import FileLock

from iterpref_core.records import InputError, IterPrefError, storage_error
from iterpref_core.storage.cores import threads_in
from tasks import fork_server, subprocesses
from tasks.gpus import visible_gpus
from tasks.paths import STATE, home

COMMAND_VARIABLE = "ITERPREF_COMMAND"
"""Set for a stage that `iterpref` runs and logs; absent under a plain `dvc repro`."""

_WORTH_FORKING = 3  # stages

_STARTED = re.compile(r"Running stage '(.+)':")
# Lines of DVC without news: a stage's command, which is in dvc.yaml; that the lock is written; advice to commit
# dvc.lock, which the next stage changes again; and a warning about a frozen stage, which was printed before.
_NOTHING_NEW = re.compile(
    r"> sh flows/stage|(?:Generating|Updating) lock file|To track the changes|\s*git add|To enable auto staging"
    r"|\s*dvc config core|Use `dvc push`|WARNING: .* is frozen\."
)


class StageError(IterPrefError):
    """An error of a stage for a reason other than its input."""


class Times(NamedTuple):
    """Start and end of a stage, in seconds since the epoch, and the number of threads that it computed with."""

    started: float
    ended: float
    threads: int | None = None


class Commands:
    """The commands of DVC that are under way, and the server that DVC and stages are forked from."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._python = [sys.executable, "-m"]
        self._environment = {"PYTHONUNBUFFERED": "1", COMMAND_VARIABLE: "iterpref"}

    @contextmanager
    def forking(self, stages: int) -> Iterator[None]:
        """Fork all commands from one server, if there are stages enough to pay for what it loads.

        A process that has forked cannot use a GPU that its parent has looked at, which some libraries do when they are
        loaded. And systems other than Linux do not let a process with threads fork.
        """
        if stages < _WORTH_FORKING or sys.platform != "linux" or visible_gpus():
            yield
            return
        with TemporaryDirectory() as folder:
            address = f"{folder}/socket"
            self._python = [sys.executable, "-IS", fork_server.__file__, address]
            self._environment["ITERPREF_FORK_SERVER"] = address
            server = subprocesses.start(
                [sys.executable, "-P", fork_server.__file__, address],
                _inherited() | self._environment,
                subprocess.DEVNULL,
            )
            try:
                yield
            finally:
                subprocesses.end(server)

    def run(
        self,
        subject: str,
        arguments: Sequence[str],
        environment: dict[str, str],
        say: Callable[[str], object],
        folder: Path = Path(),
    ) -> dict[str, Times]:
        """Run a command of DVC to its end, and return the stages that ran in it, one after the other.

        Args:
            subject: the name of a stage or a point, for messages.
            arguments: the arguments of `dvc`.
            environment: variables that are added to this process's environment, or replace some.
            say: receives each line of the output.
            folder: the command's working directory.

        Raises:
            InputError: the stage refused its input or its parameters.
            StageError: the stage failed otherwise.
            KeyboardInterrupt: all commands have been ended.
        """
        with self._lock:
            if self._ended.is_set():
                raise KeyboardInterrupt
            process = subprocesses.start(
                [*self._python, "tasks.dvc", *arguments], _inherited() | self._environment | environment, folder=folder
            )
            self._running.add(process)
        lines = []
        begun: dict[str, float] = {}
        try:
            for line in subprocesses.read_lines(process):
                lines.append(line)
                if started := _STARTED.match(line):
                    begun[started[1]] = time.time()
                if not _NOTHING_NEW.match(line):
                    say(line)
        finally:
            subprocesses.end(process)
            # Only this thread closes the pipe: `end` may run in another one while this one reads.
            if process.stdout is not None:
                process.stdout.close()
            with self._lock:
                self._running.discard(process)
        if process.returncode:
            if self._ended.is_set():
                raise KeyboardInterrupt
            raise explain_failure(subject, lines, process.returncode)
        # A stage ends when the next one begins, or the command ends.
        ends = [*list(begun.values())[1:], time.time()]
        threads = threads_in(os.environ | environment)
        return {name: Times(start, end, threads) for (name, start), end in zip(begun.items(), ends, strict=False)}

    def save_experiment(self, name: str, stage: str, share: dict[str, str], folder: Path = Path()) -> None:
        """Save the worktree of a stage that has run as a DVC experiment of the checkout.

        DVC stores an experiment as a git reference, and all worktrees share the references.

        Args:
            name: of the experiment; an older one is replaced.
            stage: its name in DVC.
            share: environment variables for its share of the cores.
            folder: the worktree.

        Raises:
            StageError: DVC could not save it.
        """
        with FileLock(home() / STATE / "experiments.lock"):
            saving = ("exp", "save", "--force", "--name", name, stage)
            self.run(name, saving, share, lambda _: None, folder)

    def end(self) -> None:
        """End all commands that still run, and let none start."""
        with self._lock:
            self._ended.set()
            running = list(self._running)
        for process in running:
            subprocesses.end(process)


def _inherited() -> dict[str, str]:
    # A child that had Prefect's own variables would take itself for this flow run.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
    inherited["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return inherited


def explain_failure(subject: str, lines: Sequence[str], returncode: int) -> IterPrefError:
    """Return the error of a command of DVC that failed, with the stage's own reason if it gave one.

    >>> explain_failure("training@dpo", ["ERROR: failed to run: python …, exited with -9"], 1).args[0]
    'stage training@dpo was killed (signal 9); the system may have run out of memory'
    """
    reasons = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    exited = re.search(r"exited with (-?\d+)", "\n".join(lines[-5:]))
    code = int(exited[1]) if exited else returncode
    # Signal 9 is -9 to Python, and 137 to a shell.
    number = -code if code < 0 else code - 128
    if number > 0 and code != 255:
        killed = f"stage {subject} was killed (signal {number})"
        if number == signal.SIGKILL:
            killed += "; the system may have run out of memory"
        return StageError(killed)
    if not reasons:
        last = "\n".join(lines[-20:])
        if full := storage_error(StageError(last), f"stage {subject}"):
            return full
        return StageError(f"stage {subject} failed with exit code {code}; its last lines:\n{last}")
    kind = InputError if code == 2 else StageError
    return kind(f"stage {subject}: {reasons[-1]}")
