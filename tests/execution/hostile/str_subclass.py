# verdict: bad_return_type
# must not: be taken for a str
class Any(str):
    def __eq__(self, other):
        return True

    def __repr__(self):
        return "4"

    __hash__ = str.__hash__


def f(x):
    return Any("4")
