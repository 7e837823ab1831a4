# verdict: timeout
# must not: outlive its time by swallowing
def f(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
