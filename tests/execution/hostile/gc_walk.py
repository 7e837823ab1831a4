# verdict: wrong_answer
# must not: find the expected value in memory
import gc


def f(x):
    for found in gc.get_objects():
        if type(found) is dict and "expected" in found:
            return found["expected"]
    return None
