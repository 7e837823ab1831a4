# verdict: memory
# tests: io
# must not: take the machine's memory
def f(x):
    return len(bytearray(10**10))
