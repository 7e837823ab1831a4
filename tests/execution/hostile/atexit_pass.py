# verdict: wrong_answer
# must not: print after the verdict and be believed
import atexit

atexit.register(print, "passed")


def f(x):
    return 0
