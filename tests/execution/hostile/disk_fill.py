# verdict: exception|output_limit|timeout
# must not: fill the disk
def f(x):
    for n in range(10_000):
        with open(f"file{n}", "wb") as file:
            file.write(bytes(3 * 10**6))
