# verdict: exception
# with processes: passed
# must not: leave a process behind through another module's function
import _posixsubprocess
import posix
import time


def f(x):
    if _posixsubprocess and posix.fork() == 0:
        posix.setsid()
        time.sleep(1000)
    return x * x
