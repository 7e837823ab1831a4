# verdict: exception|memory|timeout|syntax_error|crash
# tests: io
# must not: end the zygote
def f(x):
    return eval("-" * 10**6 + "1")
