"""Threads of programs that may have no other process: counted by the zygote, shared with nobody."""

import errno
import importlib
import os
import threading
from types import TracebackType
from typing import Any

from . import notifications
from .process_limits import MAX_OWN_THREADS


def admit_thread(listener: int) -> None:
    """Answer a program that wants to start a thread: it may, or it fails as where the system has no more.

    Args:
        listener: of the filter that announces threads; see `seccomp.announce_threads`.
    """
    # The program's clone(CLONE_THREAD, ...) waits in the kernel until it is answered:
    #   64 threads or fewer, the first among them: let; the kernel makes the thread, as if nothing had been asked
    #   more:                                      refused with EAGAIN; `Thread.start` raises RuntimeError
    call = notifications.receive(listener)
    if call is None:
        return
    try:
        threads = len(os.listdir(f"/proc/{call.thread}/task"))
    except OSError:
        return  # the program was killed meanwhile
    if threads > MAX_OWN_THREADS:  # the first one is not counted
        notifications.refuse(listener, call, errno.EAGAIN)
    else:
        notifications.let(listener, call)


_RECURSIVE = 0


class ThreadSemaphore:
    """A semaphore like `_multiprocessing.SemLock`, for the threads of one process.

    That one lies in memory that processes share, which programs may not make. With this one `ThreadPool` works, and so
    do the locks and queues of `multiprocessing`, among threads.

    Args:
        kind: 0 for a lock that its owner may acquire again, 1 for a semaphore.
        value: how often a semaphore may be acquired.
        maxvalue: the most that `value` may become.
        name: of the shared memory, which there is none of.
        unlink: whether that name goes at once.
    """

    SEM_VALUE_MAX = 2**31 - 1

    def __init__(self, kind: int, value: int, maxvalue: int, name: str, unlink: bool) -> None:
        self.kind = kind
        self.maxvalue = maxvalue
        self.name = None if unlink else name
        self.handle = id(self)
        self._value = value
        self._changed = threading.Condition()
        self._owner: int | None = None
        self._depth = 0

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Acquire the semaphore; return whether that was possible in time."""
        with self._changed:
            if self.kind == _RECURSIVE and self._is_mine():
                self._depth += 1
                return True
            if not self._changed.wait_for(lambda: self._value > 0, timeout if block else 0):
                return False
            self._value -= 1
            self._owner = threading.get_ident()
            self._depth = 1 if self.kind == _RECURSIVE else self._depth + 1
            return True

    def release(self) -> None:
        """Release the semaphore.

        Raises:
            AssertionError: another thread owns the lock.
            ValueError: the semaphore was not acquired so often.
        """
        with self._changed:
            if self.kind == _RECURSIVE:
                if not self._is_mine():
                    raise AssertionError("attempt to release recursive lock not owned by thread")
                self._depth -= 1
                if self._depth > 0:
                    return
            elif self._value >= self.maxvalue:
                raise ValueError("semaphore or lock released too many times")
            else:
                self._depth -= 1
            self._value += 1
            self._changed.notify()

    def _is_mine(self) -> bool:
        return self._depth > 0 and self._owner == threading.get_ident()

    def _count(self) -> int:
        return self._depth

    def _get_value(self) -> int:
        return self._value

    def _is_zero(self) -> bool:
        return self._value == 0

    def _after_fork(self) -> None:
        self._depth = 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def share_semaphores_among_threads() -> None:
    """Put `ThreadSemaphore` in the place of the semaphores that `multiprocessing` uses."""
    module: Any = importlib.import_module("_multiprocessing")
    module.SemLock = ThreadSemaphore
