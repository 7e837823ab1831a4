# verdict: output_limit|exception
# must not: fill the disk where no path leads
import os
import time

for _ in range(30):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
for n in range(30):
    open(f"{n}", "wb").write(bytes(4 * 10**6))
time.sleep(1)


def f(x):
    return x * x
