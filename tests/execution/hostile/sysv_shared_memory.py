# verdict: wrong_answer
# tests: io
# must not: leave shared memory behind
import ctypes

libc = ctypes.CDLL(None)


def f(x):
    return [libc.shmget(4711, 4096, 0o1777), libc.msgget(4711, 0o1777), libc.semget(4711, 1, 0o1777)]
