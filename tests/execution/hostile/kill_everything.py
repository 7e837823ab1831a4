# verdict: wrong_answer
# with processes: crash
# must not: end anything
import os


def f(x):
    for pid in (0, -1, 1, os.getppid(), -os.getppid(), PARENT_PID):
        try:
            os.kill(pid, 9)
        except OSError:
            pass
    return 0
