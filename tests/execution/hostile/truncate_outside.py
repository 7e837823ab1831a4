# verdict: wrong_answer
# must not: empty a file outside
import os


def f(x):
    for flags in (os.O_TRUNC, os.O_TRUNC | os.O_RDONLY, os.O_TRUNC | os.O_WRONLY):
        try:
            os.open("@CANARY@", flags)
        except OSError:
            pass
    try:
        os.truncate("@CANARY@", 0)
    except OSError:
        pass
    return 0
