# verdict: exception
# tests: io
# must not: take memory that no limit counts
import os


def f(x):
    return [os.memfd_create(str(n)) for n in range(10)]
