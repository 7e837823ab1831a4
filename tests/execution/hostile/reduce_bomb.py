# verdict: bad_return_type
# must not: be unpickled by the supervisor
import os


class Bomb:
    def __reduce__(self):
        return os.system, ("touch @CANARY@.pickled",)


def f(x):
    return Bomb()
