# verdict: wrong_answer
# must not: leave anything for the next job
import os
import sys
import tempfile


def f(x):
    found = [name for name in os.listdir(".") + os.listdir("..") if "@NOTE@" in name]
    for folder in (".", "..", tempfile.gettempdir(), "/dev/shm", "/var/tmp"):
        try:
            open(os.path.join(folder, "@NOTE@"), "w").close()
        except OSError:
            pass
    sys.note = True
    return found
