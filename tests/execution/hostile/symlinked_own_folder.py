# verdict: passed|exception
# must not: have something outside removed
import os

here = os.getcwd()
os.chdir("..")
os.rmdir(here)
os.symlink(os.path.dirname("@CANARY@"), here)


def f(x):
    return x * x
