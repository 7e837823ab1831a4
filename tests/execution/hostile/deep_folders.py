# verdict: passed|exception|timeout
# must not: break the zygote's cleaning up
import os

for _ in range(600):
    os.mkdir("d")
    os.chdir("d")


def f(x):
    return x * x
