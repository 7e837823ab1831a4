# verdict: exception
# tests: io
# must not: list a folder outside
import os


def f(x):
    return os.listdir("/root") + os.listdir("/home")
