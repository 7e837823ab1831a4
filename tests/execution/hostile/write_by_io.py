# verdict: exception
# must not: write a file outside by another module's function
import _io


def f(x):
    with _io.FileIO("@CANARY@", "w") as file:
        file.write(b"gone")
    return x * x
