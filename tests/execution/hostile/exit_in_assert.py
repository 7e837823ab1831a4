# verdict: exited_early
# tests: assert
# must not: be taken for a success
import sys


def f(x):
    sys.exit(0)
