# verdict: timeout
# tests: io
# must not: sleep beyond the wall-clock limit
import time


def f(x):
    time.sleep(1000)
