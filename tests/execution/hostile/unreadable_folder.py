# verdict: passed
# must not: break the zygote's cleaning up
import os

os.mkdir("closed", 0)
os.mkdir("closed/inner") if os.access("closed", os.W_OK) else None
os.umask(0o777)
os.makedirs("a")


def f(x):
    return x * x
