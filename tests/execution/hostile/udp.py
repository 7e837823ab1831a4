# verdict: exception
# with processes: wrong_answer
# must not: send a datagram
import socket


def f(x):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"secret", ("127.0.0.1", UDP_PORT))
