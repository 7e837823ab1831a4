# verdict: wrong_answer|tampered
# must not: pass with the harness's own report function
import gc
import os
import types


def f(x):
    for found in gc.get_objects():
        if isinstance(found, types.FunctionType) and found.__name__ == "report":
            found(0, "value", "0")
            found(0, "passed", "")
            found(2, "done", "")
            os._exit(0)
