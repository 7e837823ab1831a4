# verdict: output_limit|timeout
# must not: fill memory or disk with output
import os


def f(x):
    while True:
        try:
            os.write(2, b"x" * 65_536)
        except OSError:
            return x * x
