# verdict: exception
# must not: read a file outside through a link
import os


def f(x):
    os.link("@CANARY@", "link")
    return open("link").read()
