# verdict: exception
# tests: io
# must not: raise its priority
import os


def f(x):
    return os.nice(-5)
