# verdict: exception
# with processes: crash
# must not: make a process
import os


def f(x):
    while True:
        os.fork()
