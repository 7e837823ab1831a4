"""Zygote client: the supervisor starts one zygote, hands it a job, collects the answer, and ends it."""

import contextlib
import json
import math
import os
import select
import signal
import struct
import subprocess
import tempfile
import time
from typing import Any

from iterpref_core.errors import ExecutionError
from iterpref_core.execution import isolation
from iterpref_core.execution.interpreters import Runtime
from iterpref_core.execution.programs import Limits
from iterpref_core.execution.verdicts import Answer

_HEADER = struct.Struct("=II")
_LENGTH = struct.Struct("=I")
_TIMES = struct.Struct("=ddd")
START_S = 60.0
"""Seconds of real time a zygote may take to start and import what is preloaded."""
GRACE_S = 15.0
"""Seconds beyond a program's wall-clock limit after which its zygote counts as dead."""
DISK_FILES = 4
"""Everything a program writes may hold this many times `Limits.file_mb`."""


class WorkerDiedError(Exception):
    """The zygote ended or stopped answering; says nothing about the program it was running."""


class NoProcessesError(ExecutionError):
    """This machine does not let programs have processes as they should."""


class ZygoteClient:
    """One zygote process.

    Args:
        plan: the isolation to start it in.
        limits: for each program.
        runtime: the interpreter, its packages and what to preload.
        scratch: the folder for its programs' folders, in tiers B and C.
        sources: the sandbox code's digest that this process works with.

    Raises:
        NoProcessesError: its programs should have processes and cannot.
        ExecutionError: it cannot be started.
    """

    def __init__(self, plan: isolation.Plan, limits: Limits, runtime: Runtime, *, scratch: str, sources: str) -> None:
        self._limits = limits
        self._root = "/job" if "bwrap" in plan.layers else tempfile.mkdtemp(prefix="zygote-", dir=scratch)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._buffer = bytearray()
        self.jobs = 0
        self.deadline = time.monotonic() + START_S
        self._process = subprocess.Popen(
            isolation.command(plan, "zygote", self._root, DISK_FILES * limits.file_mb, runtime),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # What is preloaded may look for a place to write, which is emptied after each program.
            env=isolation.ENVIRONMENT
            | {"PYTHONHASHSEED": str(runtime.hash_seed), "HOME": self._root, "TMPDIR": self._root},
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)
        self._configure(plan, sources, runtime)

    def _configure(self, plan: isolation.Plan, sources: str, runtime: Runtime) -> None:
        config = {
            "limits": vars(self._limits),
            "sources": sources,
            "root": self._root,
            "disk_mb": DISK_FILES * self._limits.file_mb,
            "landlock": "landlock" in plan.layers,
            "seccomp": "seccomp" in plan.layers,
            "readable": list(runtime.readable),
            "site": list(runtime.site),
            "preload": list(runtime.preload),
            "processes": runtime.processes,
            "executable": runtime.executable,
        }
        try:
            self._send(json.dumps(config).encode())
            facts, _ = self._wait()
        except WorkerDiedError as error:
            self.kill()
            raise ExecutionError(f"a worker cannot be started in tier {plan}: {error}") from None
        if "error" in facts:
            self.kill()
            if facts.get("processes"):
                raise NoProcessesError(facts["error"])
            raise ExecutionError(f"a worker cannot be started in tier {plan}: {facts['error']}")

    def fileno(self) -> int:
        """The descriptor that becomes readable when there is (part of) an answer, or the zygote is dead."""
        return self._stdout.fileno()

    @property
    def pid(self) -> int:
        """Process id, of bubblewrap in tier A."""
        return self._process.pid

    def _died(self, what: str) -> WorkerDiedError:
        self._errors.seek(0)
        said = self._errors.read()[-500:].decode("utf-8", "replace").strip()
        return WorkerDiedError(f"{what}; it said: {said}" if said else what)

    def _send(self, frame: bytes) -> None:
        data = memoryview(_LENGTH.pack(len(frame)) + frame)
        poll = select.poll()
        poll.register(self._stdin, select.POLLOUT)
        while data:
            if not poll.poll(max(0.0, self.deadline - time.monotonic()) * 1000):
                raise self._died("the zygote does not take its job")
            try:
                data = data[os.write(self._stdin.fileno(), data) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._died(f"the zygote is gone ({error.strerror})") from None

    def start(self, job: bytes, limits: Limits, test_cpu_s: float = math.inf) -> None:
        """Hand over a job with its own time limits; the zygote must be idle.

        Args:
            job: what the sandbox is told.
            limits: of all tests together.
            test_cpu_s: CPU seconds of each.

        Raises:
            WorkerDiedError: it is gone or does not listen.
        """
        self.jobs += 1
        self.deadline = time.monotonic() + limits.wall_s + GRACE_S
        self._send(_TIMES.pack(limits.cpu_s, limits.wall_s, test_cpu_s) + job)

    def _take(self) -> tuple[dict[str, Any], bytes] | None:
        """A whole answer, if one has arrived."""
        if len(self._buffer) < _HEADER.size:
            return None
        head, blob = _HEADER.unpack_from(self._buffer)
        if len(self._buffer) < _HEADER.size + head + blob:
            return None
        facts = json.loads(self._buffer[_HEADER.size : _HEADER.size + head])
        content = bytes(self._buffer[_HEADER.size + head :])
        self._buffer.clear()
        return facts, content

    def _receive(self) -> tuple[dict[str, Any], bytes] | None:
        try:
            part = os.read(self._stdout.fileno(), 1 << 20)
        except BlockingIOError:
            return None
        if not part:
            raise self._died("the zygote ended")
        self._buffer += part
        return self._take()

    def _wait(self) -> tuple[dict[str, Any], bytes]:
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        while poll.poll(max(0.0, self.deadline - time.monotonic()) * 1000):
            if (answer := self._receive()) is not None:
                return answer
        raise self._died("the zygote does not answer")

    def collect(self) -> Answer | None:
        """The answer to the current job, or None while it is not complete. Does not block.

        Raises:
            WorkerDiedError: the zygote is gone.
        """
        received = self._receive()
        if received is None:
            return None
        facts, blob = received
        head = facts.pop("head")
        return Answer(**facts, head=blob[:head].replace(self._root.encode(), b"."), channel=blob[head:])

    def scrub(self, text: str) -> str:
        """A text without the path of the folder that the program ran in."""
        return text.replace(f"{self._root}/w", ".")

    def kill(self) -> None:
        """End the zygote and all it holds."""
        self._stdin.close()
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stdout.close()
        self._errors.close()
