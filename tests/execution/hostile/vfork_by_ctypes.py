# verdict: wrong_answer
# with processes: crash|wrong_answer
# tests: io
# must not: make a process by a bare system call
import ctypes

libc = ctypes.CDLL(None)


def f(x):
    return [libc.syscall(number, 17, 0, 0, 0, 0) for number in (56, 57, 58, 435)]
