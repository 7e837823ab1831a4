# verdict: exception
# must not: open a socket
import socket


def f(x):
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as client:
        client.connect(("::1", TCP_PORT))
