# verdict: timeout
# must not: use more CPU than its limit by threads
import threading


def spin():
    while True:
        pass


def f(x):
    for _ in range(4):
        threading.Thread(target=spin).start()
    spin()
