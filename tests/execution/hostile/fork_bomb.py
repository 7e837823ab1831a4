# verdict: exception
# with processes: crash
# tests: io
# must not: make a process
import os


def f(x):
    while True:
        os.fork()
