# verdict: exception
# tests: io
# must not: end the supervisor
import os


def f(x):
    os.kill(PARENT_PID, 9)
