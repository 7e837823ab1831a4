# verdict: exception
# must not: read a file outside through a link
import os


def f(x):
    os.symlink("@CANARY@", "link")
    return open("link").read()
