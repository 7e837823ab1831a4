# verdict: exception
# must not: open a socket
import socket


def f(x):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect("\0iterpref-hostile")
