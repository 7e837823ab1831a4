# verdict: crash
# tests: io
# must not: be taken for a success
import os


def f(x):
    os.kill(os.getpid(), 9)
