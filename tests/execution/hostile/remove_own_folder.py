# verdict: passed|exception
# must not: break the zygote's cleaning up
import os
import shutil

shutil.rmtree(os.getcwd())


def f(x):
    return x * x
