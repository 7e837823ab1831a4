# verdict: wrong_answer
# tests: io
# must not: make feedback that is not UTF-8
def f(x):
    return "\ud800\x00\udfff\u2028\x1b[31m"
