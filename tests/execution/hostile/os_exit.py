# verdict: exited_early
# tests: io
# must not: be taken for a success
import os


def f(x):
    os._exit(0)
