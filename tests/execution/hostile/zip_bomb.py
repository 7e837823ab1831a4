# verdict: memory|timeout
# must not: take the machine's memory
import zlib


def f(x):
    data = zlib.compress(bytes(10**7), 9)
    return len(b"".join(zlib.decompress(data) for _ in range(1000)))
