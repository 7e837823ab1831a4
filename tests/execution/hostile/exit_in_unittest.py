# verdict: exited_early|wrong_answer
# tests: unittest
# must not: be taken for a success
import os


def f(x):
    os._exit(0)
