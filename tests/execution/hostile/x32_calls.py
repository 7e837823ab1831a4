# verdict: wrong_answer|crash
# tests: io
# must not: make system calls by their other numbers
import ctypes

libc = ctypes.CDLL(None)


def f(x):
    return [libc.syscall(0x40000000 + number, 2, 1, 0) for number in (41, 57)]
