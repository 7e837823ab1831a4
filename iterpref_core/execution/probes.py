"""Isolation probes: what hostile programs would try, tried through the engine itself; the doctor's proof."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.execution.executor import Executor
from iterpref_core.execution.programs import Limits, Program
from iterpref_core.records import IoTest

_LIMITS = Limits(cpu_s=2.0, wall_s=5.0, memory_mb=128, output_kb=64, file_mb=1)
_STOPPED = "stopped"

_ATTEMPTS = {
    "read a file outside": "open({canary!r}).read()",
    "write a file outside": "open({canary!r}, 'a').write('x')",
    "connect by TCP": "__import__('socket').create_connection(('127.0.0.1', {tcp}), 1)",
    "send by UDP": "__import__('socket').socket(2, 2).sendto(b'x', ('127.0.0.1', {udp}))",
    "kill the parent": "__import__('os').kill(__import__('os').getppid(), 9)",
    "kill the supervisor": "__import__('os').kill({supervisor}, 0)",
    "make a process": "__import__('os').fork()",
    "leave an orphan": "__import__('subprocess').Popen(['sleep', '9'], start_new_session=True)",
    "use more memory": "bytearray(2**28)",
    "fill the disk": "[open(str(n), 'wb').write(bytes(2**20)) for n in range(64)] and time.sleep(3)",
}
"""Expressions that must fail, or end the program, where isolation holds."""


@dataclass(frozen=True)
class AttackReport:
    """Whether an attack was stopped; `detail` is what the program got to see."""

    name: str
    stopped: bool
    detail: str


@contextmanager
def _targets() -> Iterator[dict[str, object]]:
    """A file, two ports and a process to be attacked."""
    with ExitStack() as stack:
        canary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="iterpref-canary-")), "canary")
        canary.write_text("canary", encoding="utf-8")
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        yield {
            "canary": str(canary),
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "supervisor": os.getpid(),
        }


def _program(expression: str) -> Program:
    code = f"import time\ndef attack():\n    try:\n        {expression}\n"
    code += f"    except (OSError, MemoryError):\n        return {_STOPPED!r}\n    return 'succeeded'"
    return Program(code, (IoTest(call="attack()", expected=repr(_STOPPED)),))


def probe_attacks() -> list[AttackReport]:
    """Run each attack in the strongest isolation of this machine, whatever that is.

    Raises:
        ExecutionError: no worker can be started at all.
    """
    with _targets() as targets, Executor(_LIMITS, workers=1, allow_unsafe=True) as executor:
        programs = [_program(expression.format(**targets)) for expression in _ATTEMPTS.values()]
        reports = []
        for name, program in zip(_ATTEMPTS, programs, strict=True):
            outcome = executor.run_one(program)
            stopped = outcome.verdict in ("passed", "memory", "output_limit", "timeout")
            reports.append(AttackReport(name, stopped, outcome.feedback or _STOPPED))
        return reports
