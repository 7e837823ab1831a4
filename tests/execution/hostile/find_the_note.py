# verdict: wrong_answer
# must not: find anything of the job before
import os
import sys


def f(x):
    found = [name for name in os.listdir(".") + os.listdir("..") if "@NOTE@" in name]
    return [*found, hasattr(sys, "note")]
