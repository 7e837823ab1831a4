# verdict: exception
# tests: io
# must not: read a file outside
def f(x):
    return open("@CANARY@").read()
