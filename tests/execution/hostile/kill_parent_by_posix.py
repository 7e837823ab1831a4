# verdict: exception
# tests: io
# must not: end the zygote through another module's function
import posix


def f(x):
    posix.kill(posix.getppid(), 9)
