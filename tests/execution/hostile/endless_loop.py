# verdict: timeout
# must not: outlive its time
def f(x):
    while True:
        pass
