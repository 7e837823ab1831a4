# verdict: exception
# with processes: bad_return_type
# tests: io
# must not: run a command
import subprocess


def f(x):
    return subprocess.run(["touch", "@CANARY@.touched"])
