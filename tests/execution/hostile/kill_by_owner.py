# verdict: wrong_answer|exception
# must not: have the kernel send a signal to another process
import fcntl
import os


def f(x):
    read, write = os.pipe()
    for command, argument in ((10, 9), (8, os.getppid())):
        try:
            fcntl.fcntl(read, command, argument)
        except OSError:
            pass
    fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
    os.write(write, b"x")
    return 0
