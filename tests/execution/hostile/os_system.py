# verdict: wrong_answer|exception
# tests: io
# must not: run a command
import os


def f(x):
    return os.system("touch @CANARY@.touched")
