# verdict: bad_return_type|wrong_answer|tampered
# must not: exhaust the stack of the supervisor
import sys

sys.setrecursionlimit(1_000_000)


def f(x):
    value = ()
    for _ in range(3000):
        value = (value,)
    return value
