# verdict: bad_return_type
# must not: be taken for an int
class Any(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


def f(x):
    return Any(0)
