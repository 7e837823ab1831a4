# verdict: wrong_answer
# must not: change a file's mode or times outside
import os


def f(x):
    for change, argument in ((os.chmod, 0), (os.utime, (0, 0)), (lambda path, owner: os.chown(path, owner, owner), 1)):
        try:
            change("@CANARY@", argument)
        except OSError:
            pass
    return 0
