"""Programs that speak on their connection to the judge by themselves, and send what no honest side would send."""

WIRE = r"""
import json, os, struct
def send(header, values):
    b = (json.dumps(header) + "\n" + json.dumps(values)).encode()
    os.write(3, struct.pack("=I", len(b)) + b)
def recv():
    def exactly(n):
        b = b""
        while len(b) < n: b += os.read(3, n - len(b)) or os._exit(0)
        return b
    h, _, v = exactly(struct.unpack("=I", exactly(4))[0]).decode().partition("\n")
    return json.loads(h), json.loads(v)
def ask(op, handle, name, args=(), named=()):
    send([0, "ask", op, handle, name, [], False], [list(args), [list(p) for p in named]])
    return recv()
def answer(tree, news=()):
    send([0, "answer", list(news)], [None, tree])
def serve(reply):
    while True:
        h, v = recv()
        answer(reply(h[2], h[4], v))
FACTS = {"name": "P", "qualname": "P", "module": "solution", "doc": None}
OBJECT = {"sort": "object", "bases": [], "methods": ["__eq__"], "coroutine": False, "function": False, "fields": None}
"""
"""What such a program needs; the rest of it follows."""
