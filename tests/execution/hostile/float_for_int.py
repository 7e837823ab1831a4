# verdict: wrong_answer
# tests: io
# must not: pass as the int it equals
def f(x):
    return float(x * x)
