# verdict: exception
# tests: io
# must not: end the zygote
import os


def f(x):
    os.kill(os.getppid(), 9)
