# verdict: exception
# with processes: passed
# must not: leave a process behind
import os
import time


def f(x):
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
    return x * x
