# verdict: exception
# tests: io
# must not: read memory by file
def f(x):
    return open("/proc/self/mem", "rb").read(1)
