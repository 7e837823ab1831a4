# verdict: wrong_answer
# tests: one
# must not: pass as the int it equals
def f(x):
    return True
