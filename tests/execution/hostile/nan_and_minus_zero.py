# verdict: wrong_answer
# tests: io
# must not: be taken for a number it is not
def f(x):
    return [float("nan"), -0.0]
