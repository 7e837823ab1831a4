# verdict: exited_early|tampered|exception
# must not: be taken for a success
import os

os.closerange(0, 65_536)


def f(x):
    return x * x
