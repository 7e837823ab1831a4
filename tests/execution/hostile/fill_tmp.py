# verdict: exception
# tests: io
# must not: fill /tmp
def f(x):
    open("/tmp/iterpref-hostile", "wb").write(bytes(10**6))
