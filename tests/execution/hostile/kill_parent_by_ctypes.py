# verdict: wrong_answer
# tests: io
# must not: end the zygote through C
import ctypes
import sys

libc = ctypes.CDLL(None)


def f(x):
    return libc.kill(libc.getppid(), 9)
