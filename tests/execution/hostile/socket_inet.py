# verdict: exception
# must not: open a socket
import socket


def f(x):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect(("127.0.0.1", TCP_PORT))
