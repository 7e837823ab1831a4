# verdict: exception
# tests: io
# must not: wait for input
def f(x):
    return input()
