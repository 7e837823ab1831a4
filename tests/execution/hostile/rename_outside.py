# verdict: exception
# tests: io
# must not: move a file outside
import os


def f(x):
    os.rename("@CANARY@", "mine")
