# verdict: timeout
# tests: io
# must not: outlive its time in C
import re


def f(x):
    return re.match(r"(a+)+$", "a" * 64 + "b")
