# verdict: exception
# tests: io
# must not: write a file beyond the limit
def f(x):
    open("big", "wb").write(bytes(10**8))
