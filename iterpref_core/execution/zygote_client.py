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
RECYCLE_AFTER = 5000
"""Jobs after which a zygote is replaced by a fresh one."""


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

    Attributes:
        usable: it waits for a job.

    Raises:
        NoProcessesError: its programs should have processes and cannot.
        ExecutionError: it cannot be started.
    """

    def __init__(self, plan: isolation.Plan, limits: Limits, runtime: Runtime, *, scratch: str) -> None:
        self._limits = limits
        self._root = "/job" if "bwrap" in plan.layers else tempfile.mkdtemp(prefix="zygote-", dir=scratch)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._buffer = bytearray()
        self._jobs = 0
        self._deadline = time.monotonic() + START_S
        self.usable, self._killed = True, False
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
        self._configure(plan, runtime)

    def _configure(self, plan: isolation.Plan, runtime: Runtime) -> None:
        config = {
            "limits": vars(self._limits),
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
            facts, _ = self._receive()
        except WorkerDiedError as error:
            self.close()
            raise ExecutionError(f"a worker cannot be started in tier {plan}: {error}") from None
        if "error" in facts:
            self.close()
            if facts.get("processes"):
                raise NoProcessesError(facts["error"])
            raise ExecutionError(f"a worker cannot be started in tier {plan}: {facts['error']}")

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
            if not poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
                raise self._died("the zygote does not take its job")
            try:
                data = data[os.write(self._stdin.fileno(), data) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._died(f"the zygote is gone ({error.strerror})") from None

    def run(self, job: bytes, limits: Limits, test_cpu_s: float | None) -> Answer:
        """Have a job run, and wait for its end.

        Args:
            job: what the sandbox is told.
            limits: of all tests together.
            test_cpu_s: CPU seconds of each.

        Raises:
            WorkerDiedError: the zygote is gone or does not answer.
        """
        self.usable = False
        self._jobs += 1
        self._deadline = time.monotonic() + limits.wall_s + GRACE_S
        self._send(_TIMES.pack(limits.cpu_s, limits.wall_s, test_cpu_s or math.inf) + job)
        facts, blob = self._receive()
        self.usable = not facts.pop("worn") and self._jobs < RECYCLE_AFTER
        head = facts.pop("head")
        return Answer(**facts, root=self._root, head=blob[:head], channel=blob[head:])

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        head, blob, size = 0, 0, _HEADER.size
        while len(self._buffer) < size + head + blob:
            if not poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
                raise self._died("the zygote does not answer")
            part = os.read(self._stdout.fileno(), 1 << 20)
            if not part:
                raise self._died("the zygote ended")
            self._buffer += part
            if not head and len(self._buffer) >= size:
                head, blob = _HEADER.unpack_from(self._buffer)
        facts, content = json.loads(self._buffer[size : size + head]), bytes(self._buffer[size + head :])
        self._buffer.clear()
        return facts, content

    def kill(self) -> None:
        """End the zygote and all it holds; a thread that waits for its answer hears of it."""
        self.usable = False
        killed, self._killed = self._killed, True
        if not killed:  # once: later its process group may be somebody else's
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the zygote, for which nobody waits."""
        self.kill()
        for stream in (self._stdin, self._stdout, self._errors):
            stream.close()
