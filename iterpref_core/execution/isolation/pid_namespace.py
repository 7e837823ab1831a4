"""Admit, count, time and end all processes of a program, as the first process of their pid namespace.

The seccomp filter's listener announces every new process, which waits until it is admitted. So there are never more
than `MAX_PROCESSES`, however fast a program starts them.
"""

import _socket
import contextlib
import fcntl
import os
import resource
import signal
import struct

from ..packets import receive
from .process_limits import MAX_PROCESSES, MAX_THREADS

# SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND
_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_NOTIFICATION_BYTES = 80
_IDENTITY = struct.Struct("=Q")
_RESPONSE = struct.Struct("=QqiI")
_CONTINUE = 1
_TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat, counted from the state: user time, system time, and both of reaped children
_THREADS = 17
_TIMES = slice(11, 15)


class Processes:
    """The processes of one program: all processes of this namespace except this one.

    Args:
        main: id of the process that runs the program; only `end` reaps it.
        connection: by which that process sends the listener of its filter.

    Raises:
        RuntimeError: this is not the first process of a namespace, so `end` would end unrelated processes.
    """

    cpus = os.cpu_count() or 1

    def __init__(self, main: int, connection: _socket.socket) -> None:
        if os.getpid() != 1:
            raise RuntimeError("not the first process of a pid namespace")
        self._main = main
        try:
            _, (self.listener,) = receive(connection)
        except EOFError:
            # The process has ended before; this descriptor never becomes ready.
            self.listener = os.eventfd(0)
        self._before = self._reaped()

    @staticmethod
    def _reaped() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def _stats(self) -> list[list[str]]:
        """Return the fields of `/proc/PID/stat`, from the state on, for every process."""
        stats = []
        for name in os.listdir("/proc"):
            if not name.isdigit() or name == "1":
                continue
            # The process may have ended meanwhile.
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
                # `17 (a name) R 1 17 ...`: a name may hold anything.
                _, _, fields = file.read().rpartition(")")
                stats.append(fields.split())
        return stats

    def _reap_orphans(self) -> None:
        """Reap ended processes that have lost their parent, but not the main process."""
        flags = os.WEXITED | os.WNOHANG
        with contextlib.suppress(ChildProcessError):
            while True:
                # Look first, without reaping: this may be the main process.
                ended = os.waitid(os.P_ALL, 0, flags | os.WNOWAIT)
                if ended is None or ended.si_pid == self._main:
                    return
                os.waitid(os.P_PID, ended.si_pid, flags)

    def look(self) -> tuple[float, bool]:
        """Return the CPU seconds of all processes, living or ended, and whether there are too many threads."""
        self._reap_orphans()
        ticks = 0
        threads = 0
        for stat in self._stats():
            ticks += sum(map(int, stat[_TIMES]))
            threads += int(stat[_THREADS])
        gone_s = self._reaped() - self._before
        return gone_s + ticks / _TICKS, threads > MAX_THREADS

    def admit(self) -> bool:
        """Admit a new process that the listener announces; return False if there would be too many."""
        call = bytearray(_NOTIFICATION_BYTES)
        # The caller may be killed or interrupted meanwhile.
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.listener, _RECEIVE, call)
            self._reap_orphans()
            if len(self._stats()) >= MAX_PROCESSES:
                return False
            (identity,) = _IDENTITY.unpack_from(call)
            fcntl.ioctl(self.listener, _SEND, _RESPONSE.pack(identity, 0, 0, _CONTINUE))
        return True

    def end(self) -> tuple[int, float]:
        """Kill and reap all processes; return the main process's wait status, and all CPU seconds used.

        The kernel signals all processes at once. A process that is being killed cannot start another.
        """
        status = 0
        while True:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            try:
                pid, code = os.waitpid(-1, 0)
            except ChildProcessError:
                os.close(self.listener)
                return status, self._reaped() - self._before
            if pid == self._main:
                status = code


def leaves_connections() -> bool:
    """Return whether ended programs have left TCP connections, which block their ports for a minute."""
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/net/{name}") as file:
            if len(file.readlines()) > 1:
                return True
    return False
