# verdict: crash|exception|memory
# must not: end the zygote
import sys

sys.setrecursionlimit(10**9)


class Odd:
    def __getattr__(self, name):
        return getattr(self, name)


def f(x):
    return Odd().y
