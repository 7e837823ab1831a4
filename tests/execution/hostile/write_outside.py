# verdict: exception
# tests: io
# must not: write outside
def f(x):
    open("@CANARY@", "w").write("gone")
