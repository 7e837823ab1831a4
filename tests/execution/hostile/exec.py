# verdict: exception
# with processes: exited_early
# tests: io
# must not: become another program
import os


def f(x):
    os.execv("/bin/sh", ["sh", "-c", "touch @CANARY@.touched"])
