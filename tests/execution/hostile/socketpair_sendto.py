# verdict: wrong_answer|exception
# must not: reach another socket from an anonymous pair
import ctypes
import socket

libc = ctypes.CDLL(None)


def f(x):
    pair, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    sent = []
    for address in ("\0iterpref-hostile", "/tmp/iterpref-hostile"):
        for act in (lambda: pair.connect(address), lambda: pair.sendto(b"x", address), lambda: pair.bind(address)):
            try:
                sent.append(act())
            except OSError:
                pass
    return sent
