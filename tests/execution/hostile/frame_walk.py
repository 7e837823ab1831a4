# verdict: wrong_answer|exception
# must not: find the expected value in a frame
import sys


def f(x):
    frame = sys._getframe()
    while frame is not None:
        for name, value in frame.f_locals.items():
            if "expect" in name:
                return value
        frame = frame.f_back
    return None
