# verdict: exited_early|tampered|wrong_answer
# must not: be taken for a success
import os

spare = os.open("mine", os.O_RDWR | os.O_CREAT)
for descriptor in range(600, 1024):
    try:
        os.fstat(descriptor)
        os.dup2(spare, descriptor)
    except OSError:
        pass


def f(x):
    return 0
