# verdict: timeout
# must not: raise its own CPU limit
import resource


def f(x):
    for limits in ((-1, -1), (1000, 1000)):
        try:
            resource.setrlimit(resource.RLIMIT_CPU, limits)
        except (ValueError, OSError):
            pass
    while True:
        pass
