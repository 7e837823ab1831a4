# verdict: output_limit
# tests: io
# must not: fill memory or disk with output
def f(x):
    for _ in range(300_000):
        print("x" * 1000)
