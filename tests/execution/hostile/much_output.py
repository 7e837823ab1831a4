# verdict: output_limit
# must not: fill memory or disk with output
def f(x):
    for _ in range(300_000):
        print("x" * 1000)
