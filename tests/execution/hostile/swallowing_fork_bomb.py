# verdict: passed|timeout
# with processes: crash
# must not: make a process
import os


def f(x):
    for _ in range(1000):
        try:
            if os.fork() == 0:
                open("@CANARY@", "w").close()
        except OSError:
            pass
    return x * x
