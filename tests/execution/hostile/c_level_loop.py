# verdict: timeout
# tests: io
# must not: outlive its time in C
def f(x):
    return sum(range(10**15))
