# verdict: exception|memory
# tests: io
# must not: take the machine's memory past the limit
import mmap


def f(x):
    return len([mmap.mmap(-1, 10**8) for _ in range(100)])
