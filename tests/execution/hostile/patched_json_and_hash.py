# verdict: wrong_answer|tampered|exited_early|exception
# must not: pass by a patched encoder
import hashlib
import json

json.dumps = lambda *args, **kwargs: "4"
json.JSONEncoder.encode = lambda *args: "4"
hashlib.blake2b = None


def f(x):
    return 0
