# verdict: wrong_answer
# tests: io
# must not: see the supervisor's environment
import os


def f(x):
    return dict(os.environ)
