# verdict: passed|output_limit|timeout|exception
# must not: leave a file behind
for n in range(5000):
    open(f"file{n}", "w").close()


def f(x):
    return x * x
