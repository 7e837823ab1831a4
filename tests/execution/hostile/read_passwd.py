# verdict: exception
# tests: io
# must not: read a system file
def f(x):
    return open("/etc/passwd").read()
