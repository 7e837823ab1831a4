# verdict: crash
# tests: io
# must not: leave a core file
import os


def f(x):
    os.abort()
