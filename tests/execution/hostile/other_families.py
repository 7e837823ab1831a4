# verdict: wrong_answer
# must not: open a socket of any family
import socket


def f(x):
    opened = []
    for family in range(50):
        for kind in (1, 2, 3, 5):
            try:
                socket.socket(family, kind)
                opened.append((family, kind))
            except OSError:
                pass
    return opened
