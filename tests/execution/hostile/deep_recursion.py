# verdict: exception|crash|memory|timeout
# must not: end the zygote
import sys

sys.setrecursionlimit(10**9)


def f(x):
    return f(x)
