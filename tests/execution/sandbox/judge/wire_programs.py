"""Programs that speak on their connection to the judge by themselves, and send what no honest side would send."""

WIRE = r"""
import json, os, struct
def send(kind, value):
    b = (str(kind) + "\n" + json.dumps(value)).encode()
    os.write(3, struct.pack("=I", len(b)) + b)
def recv():
    def exactly(n):
        b = b""
        while len(b) < n: b += os.read(3, n - len(b)) or os._exit(0)
        return b
    kind, _, value = exactly(struct.unpack("=I", exactly(4))[0]).decode().partition("\n")
    return kind, json.loads(value)
def ask(op, handle, *args, **named):
    send("ask", [op, [{"y": handle}, *args], {"d": [list(pair) for pair in named.items()]}])
    return recv()
def answer(tree):
    send("answer", tree)
def serve(reply):
    while True:
        kind, (op, args, _) = recv()
        answer(reply(op, args))
CLASS = [900, "P", False, None]
"""
"""What such a program needs; the rest of it follows."""
