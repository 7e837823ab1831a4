# verdict: wrong_answer
# tests: io
# must not: read what the supervisor sends
import os


def f(x):
    return os.read(0, 10_000)
