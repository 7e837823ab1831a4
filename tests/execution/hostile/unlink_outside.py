# verdict: exception
# tests: io
# must not: remove a file outside
import os


def f(x):
    os.unlink("@CANARY@")
