# verdict: memory
# must not: take the machine's memory
def f(x):
    data = []
    while True:
        data.append(bytearray(10**6))
