# verdict: exception|memory|timeout|wrong_answer|crash
# must not: exhaust the machine's threads
import threading
import time


def f(x):
    while True:
        threading.Thread(target=time.sleep, args=(1000,)).start()
