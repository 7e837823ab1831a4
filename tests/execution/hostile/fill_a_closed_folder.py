# verdict: output_limit|exception
# must not: fill the disk where nobody may look
import os
import time

os.mkdir("closed", 0o300)
for n in range(30):
    open(f"closed/{n}", "wb").write(bytes(4 * 10**6))
time.sleep(1)


def f(x):
    return x * x
